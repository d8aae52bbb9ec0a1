"""The cache as Transformers uses it: lengths, crops, beams, batches that change, conversations."""

import unittest

import torch

import tierd
from support import FAMILIES, Daemon, tiny_model
from test_exact import TOLERANCE, difference, eager, prompt, tiered
from tierd.models import cache_argument

torch.set_num_threads(1)


class Cached(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon(device_budget="2MiB", host_budget="4MiB")
        cls.addClassCleanup(cls.daemon.close)

    def cache(self, model, told=True, **more):
        more = dict(block_tokens=16, chunk_tokens=48, max_length=512, admission_s=20, stall_s=20) | more
        cache = tierd.TieredCache(model.config, model if told else None, socket=self.daemon.socket, **more)
        self.addCleanup(cache.close)
        return cache

    def logits(self, model, ids, cache):
        with torch.no_grad():
            return model(input_ids=ids, **{cache_argument(model): cache}).logits

    # ---- conversations

    def test_two_turns_equal_one(self):
        for family in FAMILIES:
            model = tiny_model(family)
            first, mask = prompt(2, 90, seed=4)
            cache = self.cache(model)
            answer = tiered(model, first, mask, self.daemon, 48, cache=cache, block_tokens=None)
            said = answer.sequences
            more = torch.randint(2, 199, (2, 41), generator=torch.Generator().manual_seed(5))
            second = torch.cat([said, more], 1)
            full = torch.cat([mask, torch.ones(2, second.shape[1] - mask.shape[1], dtype=mask.dtype)], 1)
            with self.subTest(family):
                found = tiered(model, second, full, self.daemon, 48, cache=cache)
                self.assertEqual(cache.get_seq_length(), found.sequences.shape[1] - 1)
                expected = eager(model, second, full)
                self.assertTrue(torch.equal(expected.sequences, found.sequences))
                self.assertLess(difference(expected, found), TOLERANCE)
            cache.close()

    def test_a_shared_beginning_is_read_once(self):
        for family in ("llama", "gemma3", "llama4"):
            model = tiny_model(family, seed=7)
            ids, mask = prompt(1, 200, seed=6)
            tiered(model, ids[:, :160], mask[:, :160], self.daemon, 48)
            seen = []
            hook = model.register_forward_pre_hook(lambda m, a, k: seen.append(k["input_ids"].shape[1]), with_kwargs=True)
            found = tiered(model, ids, mask, self.daemon, 48)
            hook.remove()
            expected = eager(model, ids, mask)
            with self.subTest(family):
                self.assertTrue(torch.equal(expected.sequences, found.sequences))
                self.assertLess(difference(expected, found), TOLERANCE)
                # A hybrid's windows are kept at its end alone: from there it is the last boundary that can be gone on from.
                self.assertLessEqual(sum(seen), 200 - 144 + 6)

    def test_another_prompt_than_the_cache_holds_is_refused(self):
        model = tiny_model("llama")
        ids, mask = prompt(1, 40)
        cache = self.cache(model)
        tiered(model, ids, mask, self.daemon, 48, cache=cache)
        with self.assertRaisesRegex(tierd.Unsupported, "does not begin with what the cache holds"):
            tiered(model, ids.flip(1), mask, self.daemon, 48, cache=cache)

    def test_a_row_that_outgrows_its_plan_goes_on(self):
        model = tiny_model("llama")
        ids, _ = prompt(1, 200)
        cache = self.cache(model, max_length=32)
        whole = self.logits(model, ids, cache)
        model.set_attn_implementation("eager")
        torch.testing.assert_close(whole, model(ids).logits, atol=TOLERANCE, rtol=0)

    # ---- what Transformers' generation does with a cache

    def test_beams(self):
        for family in ("llama", "gemma3"):
            model = tiny_model(family)
            ids, mask = prompt(2, 60, seed=8)
            expected = eager(model, ids, mask, num_beams=3)
            found = tiered(model, ids, mask, self.daemon, 48, num_beams=3)
            with self.subTest(family):
                self.assertTrue(torch.equal(expected.sequences, found.sequences))

    def test_sampling_with_a_seed(self):
        model = tiny_model("qwen3")
        ids, mask = prompt(2, 60, seed=8)
        more = dict(do_sample=True, max_new_tokens=12, num_return_sequences=2)
        torch.manual_seed(3)
        model.set_attn_implementation("eager")
        expected = model.generate(ids, attention_mask=mask, **more)
        torch.manual_seed(3)
        found = tierd.generate(model, ids, mask, socket=self.daemon.socket, block_tokens=16, prefill_chunk_size=48, **more)
        self.assertTrue(torch.equal(expected, found))

    def test_auto_takes_the_daemons_budgets(self):
        model = tiny_model("llama")
        ids, mask = prompt(1, 100)
        found = tiered(model, ids, mask, self.daemon, "auto")
        self.assertTrue(torch.equal(eager(model, ids, mask).sequences, found.sequences))

    # ---- the interface of a cache

    def test_lengths_and_mask_sizes(self):
        model = tiny_model("gemma3")
        tierd.enable(model)
        cache = self.cache(model, told=False)
        reference = __import__("transformers").DynamicCache(config=model.config)
        eager_model = tiny_model("gemma3")
        for ids in prompt(1, 100)[0].split(23, 1):
            for layer in range(4):
                self.assertEqual(cache.get_seq_length(layer), reference.get_seq_length(layer))
                self.assertEqual(cache.get_mask_sizes(5, layer), reference.get_mask_sizes(5, layer))
            self.logits(model, ids, cache)
            with torch.no_grad():
                eager_model(input_ids=ids, **{cache_argument(model): reference})
        self.assertEqual(cache.get_seq_length(), 100)
        self.assertEqual(cache.is_sliding, reference.is_sliding)
        self.assertFalse(cache.is_compileable)
        cache.reset()
        self.assertEqual(cache.get_seq_length(), 0)

    def test_what_was_cropped_can_be_said_otherwise(self):
        for told in (True, False):
            model = tiny_model("llama")
            ids, other = prompt(1, 100, seed=1)[0], prompt(1, 100, seed=2)[0]
            reference = model(torch.cat([ids[:, :70], other[:, 70:]], 1)).logits
            tierd.enable(model)
            cache = self.cache(model, told)
            self.logits(model, ids, cache)
            for removed in (-30, 70):
                with self.subTest(told=told, crop=removed):
                    cache.crop(removed)
                    self.assertEqual(cache.get_seq_length(), 70)
                    found = self.logits(model, other[:, 70:], cache)
                    torch.testing.assert_close(found, reference[:, 70:], atol=TOLERANCE, rtol=0)
            cache.close()

    def test_rows_are_repeated_reordered_and_selected(self):
        model = tiny_model("llama")
        ids, more = prompt(2, 70, seed=1)[0], prompt(3, 40, seed=2)[0]
        ids[1, :17] = 5
        more[more == 0] = 7
        order = torch.tensor([1, 1, 0])
        reference = model(torch.cat([ids[order], more], 1)).logits[:, 70:]
        tierd.enable(model)
        for change in (
            lambda cache: cache.reorder_cache(order),
            lambda cache: cache.batch_select_indices(order),
            lambda cache: (cache.batch_repeat_interleave(2), cache.batch_select_indices(torch.tensor([2, 3, 0]))),
        ):
            for told in (True, False):
                cache = self.cache(model, told)
                self.logits(model, ids, cache)
                change(cache)
                torch.testing.assert_close(self.logits(model, more, cache), reference, atol=TOLERANCE, rtol=0)
                cache.close()

    def test_a_forward_that_failed_leaves_the_cache_as_it_was(self):
        model = tiny_model("llama")
        ids, other = prompt(1, 100, seed=1)[0], prompt(1, 100, seed=2)[0]
        reference = model(torch.cat([ids[:, :50], other[:, 50:]], 1)).logits[:, 50:]
        tierd.enable(model)
        for told in (True, False):
            cache = self.cache(model, told)
            self.logits(model, ids[:, :50], cache)

            def fail(*_):
                raise KeyboardInterrupt

            hook = model.model.layers[2].register_forward_pre_hook(fail)
            with self.assertRaises(KeyboardInterrupt):
                self.logits(model, ids[:, 50:], cache)
            hook.remove()
            found = self.logits(model, other[:, 50:], cache)
            torch.testing.assert_close(found, reference, atol=TOLERANCE, rtol=0)
            cache.close()

    def test_an_attention_that_was_interrupted_leaves_the_cache_as_it_was(self):
        from unittest import mock

        model = tiny_model("gemma3")
        ids = prompt(1, 150, seed=1)[0]
        reference = model(ids).logits[:, 100:]
        tierd.enable(model)
        cache = self.cache(model)
        self.logits(model, ids[:, :100], cache)
        for name in ("reserve", "acquire", "release"):
            with mock.patch.object(tierd.Sequence, name, side_effect=KeyboardInterrupt):
                with self.assertRaises(KeyboardInterrupt):
                    self.logits(model, ids[:, 100:], cache)
        found = self.logits(model, ids[:, 100:], cache)
        torch.testing.assert_close(found, reference, atol=TOLERANCE, rtol=0)

    def test_nothing_is_left_in_the_daemon(self):
        model = tiny_model("llama")
        before = open_files()
        for _ in range(3):
            tiered(model, *prompt(2, 60), self.daemon, 48)
        self.assertEqual(open_files(), before)


def open_files():
    import gc
    import os

    gc.collect()
    return len(os.listdir("/proc/self/fd"))


if __name__ == "__main__":
    unittest.main()
