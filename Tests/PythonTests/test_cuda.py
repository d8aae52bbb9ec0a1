"""The same on a CUDA device, where there is one: `cuda-check` runs it. Skipped, with a line, elsewhere."""

import os
import unittest

import torch

import tierd
from support import FAMILIES, Daemon, tiny_model
from test_exact import difference, eager, prompt, tiered
from tierd.partial import Accumulator
from tierd.past import attend_keys
from tierd.reach import CHUNKED, FULL, SLIDING, Reach

DEVICE = os.environ.get("TIERD_TEST_DEVICE", "none")


@unittest.skipUnless(torch.cuda.is_available(), "no CUDA device here: the Python package was not tried on one")
class OnDevice(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # Products of f32 in f32, as on the CPU.
        torch.backends.cuda.matmul.allow_tf32 = False
        budget = "64MiB" if DEVICE.startswith("cuda") else "1MiB"
        cls.daemon = Daemon(DEVICE, budget, "8MiB")
        cls.addClassCleanup(cls.daemon.close)

    def test_parts_are_the_whole(self):
        torch.manual_seed(0)
        for dtype, limit in ((torch.float32, 1e-5), (torch.bfloat16, 2e-2)):
            for reach in (Reach(FULL), Reach(SLIDING, 100), Reach(CHUNKED, 96)):
                query = torch.randn(2, 3, 160, 64, device="cuda", dtype=dtype)
                key, value = (torch.randn(2, 400, 64, device="cuda", dtype=dtype) for _ in range(2))
                accumulator = Accumulator(2, 3, 160, 64, "cuda")
                for keys in (range(0, 150), range(150, 300), range(300, 400)):
                    part = slice(keys.start, keys.stop)
                    attend_keys(
                        accumulator, query, range(240, 400), key[:, part], value[:, part], keys, reach, 0.125, None
                    )
                scores = query.double() @ key.double()[:, None].transpose(-1, -2) * 0.125
                for i, q in enumerate(range(240, 400)):
                    scores[:, :, i, q + 1 :] = -torch.inf
                    scores[:, :, i, : reach.first_key(q)] = -torch.inf
                whole = torch.softmax(scores, -1) @ value.double()[:, None]
                with self.subTest(dtype=dtype, reach=reach.name):
                    torch.testing.assert_close(accumulator.output.double(), whole, atol=limit, rtol=0)

    def test_each_family_in_a_padded_batch(self):
        for family in FAMILIES:
            model = tiny_model(family).cuda()
            ids, mask = (t.cuda() for t in prompt(2, 300, seed=1))
            expected = eager(model, ids, mask)
            with self.subTest(family):
                found = tiered(model, ids, mask, self.daemon, 48)
                self.assertTrue(torch.equal(expected.sequences, found.sequences))
                self.assertLess(difference(expected, found), 1e-3)

    def test_in_bf16(self):
        model = tiny_model("llama", dtype=torch.bfloat16).cuda()
        ids, mask = (t.cuda() for t in prompt(1, 700))
        truth = tiny_model("llama").cuda()(ids).logits[0, -1]
        error = lambda result: (result.logits[0][0] - truth).square().mean().sqrt().item()  # noqa: E731
        self.assertLess(error(tiered(model, ids, mask, self.daemon, 128)), 1.5 * error(eager(model, ids, mask)))


if __name__ == "__main__":
    unittest.main()
