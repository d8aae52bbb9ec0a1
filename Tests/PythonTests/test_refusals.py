"""What would be computed wrongly is refused, by name, before anything is computed. No daemon is needed for that."""

import unittest

import torch
import transformers

import tierd
from support import tiny_config, tiny_model
from tierd.models import cache_argument

NOWHERE = "/nonexistent/worker.sock"


def step(model, cache, **inputs):
    with torch.no_grad():
        model(input_ids=torch.ones(2, 8, dtype=torch.long), **{cache_argument(model): cache}, **inputs)


class Models(unittest.TestCase):
    def refuse(self, config, reason):
        with self.assertRaisesRegex(tierd.Unsupported, reason):
            tierd.TieredCache(config, socket=NOWHERE)

    def test_encoder_decoders(self):
        self.refuse(transformers.T5Config(), "t5 is an encoder-decoder")

    def test_recurrent_layers(self):
        self.refuse(transformers.Qwen3NextConfig(), "qwen3_next has layers of type 'linear_attention'")

    def test_sparse_and_latent_attention(self):
        self.refuse(transformers.DeepseekV32Config(), "deepseek_v32 picks keys by sparse indices")
        self.refuse(transformers.DeepseekV3Config(), "deepseek_v3 keeps latent K and V")

    def test_shared_layers(self):
        self.refuse(transformers.Gemma3nTextConfig(), "shares K and V between layers")

    def test_rotary_embeddings_that_change(self):
        config = tiny_config("llama")
        config.rope_parameters = {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 2.0}
        self.refuse(config, "llama has 'dynamic' rotary embeddings")


class Calls(unittest.TestCase):
    def setUp(self):
        self.model = tierd.enable(tiny_model("llama"))

    def cache(self):
        return tierd.TieredCache(self.model.config, socket=NOWHERE)

    def test_the_attention_without_the_cache(self):
        with self.assertRaisesRegex(tierd.Unsupported, "without a TieredCache"):
            step(self.model, None, use_cache=False)
        with self.assertRaisesRegex(tierd.Unsupported, "without a TieredCache"):
            step(self.model, transformers.DynamicCache(config=self.model.config))

    def test_padding_on_the_right(self):
        mask = torch.tensor([[1] * 8, [1] * 6 + [0] * 2])
        with self.assertRaisesRegex(tierd.Unsupported, "only padding on the left"):
            step(self.model, self.cache(), attention_mask=mask)
        with self.assertRaisesRegex(tierd.Unsupported, "pad on the left"):
            tierd.generate(self.model, torch.ones_like(mask), mask, socket=NOWHERE)

    def test_masks_of_four_dimensions(self):
        with self.assertRaisesRegex(tierd.Unsupported, "two-dimensional padding masks only"):
            step(self.model, self.cache(), attention_mask=torch.ones(2, 1, 8, 8, dtype=torch.bool))

    def test_masks_that_are_not_causal(self):
        from transformers.masking_utils import create_causal_mask

        for more in ({"or_mask_function": lambda b, h, q, k: k == 0}, {"block_sequence_ids": torch.zeros(2, 8)}):
            with self.assertRaisesRegex(tierd.Unsupported, "neither causal, sliding nor chunked"):
                create_causal_mask(self.model.config, torch.zeros(2, 8, 4), None, self.cache(), **more)

    def test_gradients_and_dropout(self):
        with self.assertRaisesRegex(tierd.Unsupported, "no gradient"):
            self.model(input_ids=torch.ones(1, 8, dtype=torch.long), **{cache_argument(self.model): self.cache()})

    def test_arguments_of_another_cache(self):
        ids = torch.ones(1, 8, dtype=torch.long)
        with self.assertRaisesRegex(tierd.Unsupported, "has a cache of its own"):
            tierd.generate(self.model, ids, cache_implementation="offloaded", socket=NOWHERE)
        with self.assertRaisesRegex(tierd.Unsupported, "inputs_embeds"):
            tierd.generate(self.model, ids, inputs_embeds=torch.zeros(1, 8, 64), socket=NOWHERE)

    def test_another_models_cache(self):
        other = tiny_model("llama", seed=1)
        cache = tierd.TieredCache(other.config, other, socket=NOWHERE)
        with self.assertRaisesRegex(tierd.Unsupported, "not made with this model"):
            tierd.generate(self.model, torch.ones(1, 8, dtype=torch.long), cache=cache)

    def test_no_daemon(self):
        with self.assertRaisesRegex(tierd.Unavailable, "is tierd running"):
            tierd.generate(self.model, torch.ones(1, 8, dtype=torch.long), socket=NOWHERE)


if __name__ == "__main__":
    unittest.main()
