"""What goes wrong while a model generates: never wrong tokens, never a hang."""

import threading
import time
import unittest

import torch

import tierd
from support import Daemon, tiny_model
from test_exact import TOLERANCE, difference, eager, prompt
from tierd.models import cache_argument

torch.set_num_threads(1)
NEW = 40


def long_answer(model, ids, cache, **more):
    return tierd.generate(
        model, ids, torch.ones_like(ids), cache=cache, prefill_chunk_size=48, max_new_tokens=NEW, do_sample=False,
        output_logits=True, return_dict_in_generate=True, **more,
    )


class Kills(unittest.TestCase):
    """`kill -9` of the daemon, at a layer of a step."""

    def run_with_kill(self, family, at_forward, at_layer, starts_again, told=True):
        model = tiny_model(family)
        ids, mask = prompt(1, 220, seed=2)
        model.set_attn_implementation("eager")
        expected = model.generate(
            ids, attention_mask=mask, max_new_tokens=NEW, do_sample=False, output_logits=True, return_dict_in_generate=True
        )
        with Daemon(device_budget="1MiB", host_budget="1MiB") as daemon:
            forwards = []

            def kill(*_):
                forwards.append(1)
                if len(forwards) == at_forward:
                    daemon.kill()
                    if starts_again:
                        threading.Timer(0.5, daemon.start).start()

            hook = model.model.layers[at_layer].register_forward_pre_hook(kill)
            self.addCleanup(hook.remove)
            cache = tierd.TieredCache(
                model.config, model, socket=daemon.socket, block_tokens=16, chunk_tokens=48, max_length=512,
                reconnect_s=15 if starts_again else 0.5, stall_s=10,
            )
            with cache:
                began = time.monotonic()
                try:
                    found = long_answer(model, ids, cache)
                finally:
                    self.assertLess(time.monotonic() - began, 60)
                return expected, found, cache.repaired_tokens

    def test_a_daemon_that_comes_back_is_gone_on_with(self):
        for family, forward, layer in (("llama", 3, 2), ("llama", 12, 0), ("gemma3", 4, 1), ("gpt_oss", 20, 3)):
            with self.subTest(family=family, forward=forward, layer=layer):
                expected, found, repaired = self.run_with_kill(family, forward, layer, starts_again=True)
                self.assertTrue(torch.equal(expected.sequences, found.sequences))
                self.assertLess(difference(expected, found), TOLERANCE)
                self.assertGreater(repaired, 0)

    def test_a_daemon_that_stays_away_is_one_exception(self):
        for forward in (2, 9):
            with self.subTest(forward=forward), self.assertRaisesRegex(tierd.Unavailable, "no daemon|closed|not answer"):
                self.run_with_kill("llama", forward, 1, starts_again=False)


class Damage(unittest.TestCase):
    def test_blocks_that_do_not_verify_are_computed_again(self):
        for family in ("llama", "gemma3", "llama4"):
            model = tiny_model(family)
            ids, mask = prompt(1, 600, seed=3)
            expected = eager(model, ids, mask)
            with Daemon("emulated", "1MiB", "1MiB", "512MiB", "--test-damage-one-read-in", "150") as daemon:
                cache = tierd.TieredCache(
                    model.config, model, socket=daemon.socket, block_tokens=16, chunk_tokens=48, max_length=1024
                )
                with cache, self.subTest(family):
                    found = tierd.generate(
                        model, ids, mask, cache=cache, prefill_chunk_size=48, max_new_tokens=6, do_sample=False,
                        output_logits=True, return_dict_in_generate=True,
                    )
                    self.assertTrue(torch.equal(expected.sequences, found.sequences))
                    self.assertLess(difference(expected, found), TOLERANCE)
                    if family == "llama":
                        self.assertGreater(cache.repaired_tokens, 0)

    def test_without_tokens_a_loss_is_an_exception(self):
        model = tiny_model("llama")
        ids, _ = prompt(1, 900, seed=3)
        tierd.enable(model)
        with Daemon("emulated", "1MiB", "1MiB", "512MiB", "--test-damage-one-read-in", "3") as daemon:
            cache = tierd.TieredCache(
                model.config, socket=daemon.socket, block_tokens=16, chunk_tokens=48, max_length=1024
            )
            with cache, self.assertRaisesRegex(tierd.TierdError, "were lost by the daemon"), torch.no_grad():
                for part in ids.split(48, 1):
                    model(input_ids=part, **{cache_argument(model): cache})


class TooSmall(unittest.TestCase):
    def test_a_step_that_does_not_fit_is_refused_with_figures(self):
        model = tiny_model("llama")
        ids, _ = prompt(1, 500)
        with Daemon(device_budget="1MiB", host_budget="1MiB") as daemon:
            with self.assertRaisesRegex(tierd.Refused, "host budget of 1.0 MiB is too small for one step"):
                tierd.generate(model, ids, socket=daemon.socket, block_tokens=16, prefill_chunk_size=1024)

    def test_rows_that_do_not_fit_together_are_refused_at_once(self):
        model = tiny_model("llama")
        ids, _ = prompt(12, 200)
        with Daemon(device_budget="1MiB", host_budget="8MiB") as daemon:
            with self.assertRaisesRegex(tierd.Refused, "12 rows at once"):
                tierd.generate(model, ids, socket=daemon.socket, block_tokens=16, prefill_chunk_size=48)


if __name__ == "__main__":
    unittest.main()
