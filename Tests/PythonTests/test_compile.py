"""torch.compile on the model: the number of graphs does not grow with the prompt (transformers#37451)."""

import os
import unittest

import torch
from torch._dynamo.utils import counters

import tierd
from support import Daemon, tiny_model
from test_exact import TOLERANCE, prompt

torch.set_num_threads(1)
IS_SHORT = os.environ.get("TIERD_TESTS") == "short"


class Compiled(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon(device_budget="1MiB", host_budget="4MiB")
        cls.addClassCleanup(cls.daemon.close)

    def last_logits(self, model, ids):
        return tierd.generate(
            model, ids, torch.ones_like(ids), socket=self.daemon.socket, block_tokens=16, prefill_chunk_size=64,
            max_new_tokens=2, do_sample=False, output_logits=True, return_dict_in_generate=True,
        ).logits[0]

    def test_graphs_of_a_long_prompt_are_those_of_a_short_one(self):
        for family in ("llama",) if IS_SHORT else ("llama", "gemma3", "gpt_oss"):
            torch._dynamo.reset()
            counters.clear()
            model = tiny_model(family)
            lengths = (129, 257, 1025) if IS_SHORT else (129, 257, 2049)
            prompts = [prompt(1, length, seed=length)[0] for length in lengths]
            expected = [model(ids).logits[:, -1] for ids in prompts]
            tierd.enable(model)
            # What is counted is what the compiler is handed; what it makes of it does not change the number.
            model.compile(backend="eager")
            counts = []
            for ids, logits in zip(prompts, expected):
                found = self.last_logits(model, ids)
                counts.append(counters["stats"]["unique_graphs"])
                torch.testing.assert_close(found, logits, atol=TOLERANCE, rtol=0)
            with self.subTest(family):
                self.assertGreater(counts[0], 0)
                self.assertEqual(counts, [counts[0]] * 3)


if __name__ == "__main__":
    unittest.main()
