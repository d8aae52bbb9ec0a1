"""SmolLM2 on real text, in f32: tokens equal and logits within 1e-4 of eager Transformers. `TIERD_MODEL` names the model."""

import os
import unittest

import torch
import transformers

import tierd
from support import Daemon
from test_exact import TOLERANCE, difference

MODEL = os.environ.get("TIERD_MODEL", "")
TEXT = "/usr/share/common-licenses/GPL-3"


@unittest.skipUnless(MODEL and os.path.exists(TEXT), "TIERD_MODEL or the text is not there: SmolLM2 was not tried")
class SmolLM2(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        place, name = os.path.split(os.path.abspath(MODEL))
        cls.tokenizer = transformers.AutoTokenizer.from_pretrained(place, gguf_file=name)
        cls.model = transformers.AutoModelForCausalLM.from_pretrained(
            place, gguf_file=name, dtype=torch.float32, attn_implementation="eager"
        ).eval()
        with open(TEXT) as file:
            cls.text = file.read()
        cls.daemon = Daemon(device_budget="16MiB", host_budget="24MiB")
        cls.addClassCleanup(cls.daemon.close)

    def ids(self, *texts, tokens):
        encoded = [self.tokenizer(text)["input_ids"][: tokens - 150 * i] for i, text in enumerate(texts)]
        ids = torch.tensor([[0] * (tokens - len(row)) + row for row in encoded])
        mask = torch.tensor([[0] * (tokens - len(row)) + [1] * len(row) for row in encoded])
        return ids, mask

    def expected(self, ids, mask, new):
        self.model.set_attn_implementation("eager")
        return self.model.generate(
            ids, attention_mask=mask, max_new_tokens=new, do_sample=False, output_logits=True, return_dict_in_generate=True
        )

    def found(self, ids, mask, new, chunk, **more):
        return tierd.generate(
            self.model, ids, mask, socket=self.daemon.socket, prefill_chunk_size=chunk, max_new_tokens=new, do_sample=False,
            output_logits=True, return_dict_in_generate=True, **more,
        )

    def check(self, expected, found):
        self.assertTrue(torch.equal(expected.sequences, found.sequences))
        self.assertLess(difference(expected, found), TOLERANCE)

    def test_a_padded_batch(self):
        ids, mask = self.ids(self.text, self.text[5000:], tokens=1100)
        expected = self.expected(ids, mask, 12)
        for chunk in (256, 400, 1024):
            with self.subTest(chunk=chunk):
                self.check(expected, self.found(ids, mask, 12, chunk))

    def test_two_turns_on_a_warm_cache_equal_one(self):
        ids, mask = self.ids(self.text[9000:], tokens=900)
        first = self.found(ids, mask, 8, 512)
        more = torch.tensor([self.tokenizer("\n\nAnd what does that mean for a developer?")["input_ids"]])
        second = torch.cat([first.sequences, more], 1)
        ones = torch.ones_like(second)
        # By the daemon: the second prompt begins as the first did.
        self.check(self.expected(second, ones, 8), self.found(second, ones, 8, 512))


if __name__ == "__main__":
    unittest.main()
