"""Tokens and logits against eager Transformers, for a tiny random model of each family."""

import os
import unittest

import torch

import tierd
from support import FAMILIES, Daemon, tiny_model

torch.set_num_threads(1)
IS_SHORT = os.environ.get("TIERD_TESTS") == "short"
NEW = 6
TOLERANCE = 1e-4


def prompt(rows, length, seed=0):
    """Random tokens, each row padded on the left by another number of them."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(2, 199, (rows, length), generator=generator)
    mask = torch.ones_like(ids)
    for i in range(1, rows):
        mask[i, : 13 * i + 4] = 0
        ids[i, : 13 * i + 4] = 0
    return ids, mask


def eager(model, ids, mask, **more):
    model.set_attn_implementation("eager")
    return model.generate(
        ids, attention_mask=mask, max_new_tokens=NEW, do_sample=False, output_logits=True, return_dict_in_generate=True,
        **more,
    )


def tiered(model, ids, mask, daemon, chunk, **more):
    more.setdefault("block_tokens", 16)
    return tierd.generate(
        model, ids, mask, socket=daemon.socket, prefill_chunk_size=chunk, max_new_tokens=NEW, do_sample=False,
        output_logits=True, return_dict_in_generate=True, **more,
    )


def difference(a, b):
    return max((x - y).abs().max().item() for x, y in zip(a.logits, b.logits))


class Exact(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # Far too small for the KV of any of these prompts: blocks go to the disk and come back.
        cls.daemon = Daemon(device_budget="1MiB", host_budget="2MiB")
        cls.addClassCleanup(cls.daemon.close)

    def check(self, family, ids, mask, chunk):
        model = tiny_model(family)
        expected = eager(model, ids, mask)
        found = tiered(model, ids, mask, self.daemon, chunk)
        self.assertTrue(torch.equal(expected.sequences, found.sequences), f"{family}: tokens differ")
        self.assertLess(difference(expected, found), TOLERANCE)

    def test_each_family_in_a_padded_batch(self):
        for family in FAMILIES:
            # 48 divides neither the rows' lengths nor their padding.
            for chunk in (48,) if IS_SHORT else (16, 48, 64, 256):
                with self.subTest(family=family, chunk=chunk):
                    self.check(family, *prompt(3, 150, seed=chunk), chunk)

    def test_chunks_that_are_no_multiple_of_the_block(self):
        for family in ("llama", "gemma3") if IS_SHORT else FAMILIES:
            for chunk in (37,) if IS_SHORT else (37, 100, 149):
                with self.subTest(family=family, chunk=chunk):
                    self.check(family, *prompt(1, 150, seed=chunk), chunk)

    def test_a_prompt_of_one_token(self):
        self.check("llama", *prompt(1, 1), 16)

    def test_blocks_were_on_the_disk(self):
        ids, mask = prompt(2, 700, seed=9)
        with tierd.Session(self.daemon.socket) as session:
            before = session.statistics()
            tiered(tiny_model("llama"), ids, mask, self.daemon, 64)
            after = session.statistics()
        self.assertGreater(after.host_to_disk.blocks, before.host_to_disk.blocks)
        self.assertGreater(after.disk_to_host.blocks, before.disk_to_host.blocks)

    def test_a_window_one_token_wider_is_seen(self):
        """The control: the comparison fails where the mask is wrong."""
        ids, mask = prompt(1, 150)
        for family, key in (("mistral", "sliding_window"), ("gpt_oss", "sliding_window"), ("llama4", "attention_chunk_size")):
            model = tiny_model(family)
            expected = eager(model, ids, mask)
            setattr(model.config, key, getattr(model.config, key) + 1)
            with self.subTest(family=family):
                found = tiered(model, ids, mask, self.daemon, 48)
                self.assertGreater(difference(expected, found), 10 * TOLERANCE)

    def test_as_the_cache_of_transformers_own_generate(self):
        for family in FAMILIES:
            model = tiny_model(family)
            ids, mask = prompt(2, 100, seed=3)
            expected = eager(model, ids, mask)
            tierd.enable(model)
            argument = tierd.models.cache_argument(model)
            for chunked in ({}, {"prefill_chunk_size": 48}):
                with self.subTest(family=family, **chunked):
                    cache = tierd.TieredCache(
                        model.config, socket=self.daemon.socket, block_tokens=16, chunk_tokens=48, max_length=256
                    )
                    with cache:
                        found = model.generate(
                            ids, attention_mask=mask, max_new_tokens=NEW, do_sample=False, output_logits=True,
                            return_dict_in_generate=True, **chunked, **{argument: cache},
                        )
                    self.assertTrue(torch.equal(expected.sequences, found.sequences))
                    self.assertLess(difference(expected, found), TOLERANCE)

    def test_bf16_is_as_far_from_f32_as_it_is_elsewhere(self):
        ids, mask = prompt(1, 150)
        truth = tiny_model("llama")(ids).logits[0, -1]
        model = tiny_model("llama", dtype=torch.bfloat16)
        expected, found = eager(model, ids, mask), tiered(model, ids, mask, self.daemon, 48)
        error = lambda result: (result.logits[0][0] - truth).square().mean().sqrt().item()  # noqa: E731
        self.assertLess(error(found), 1.5 * error(expected))


if __name__ == "__main__":
    unittest.main()
