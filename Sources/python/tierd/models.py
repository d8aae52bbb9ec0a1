"""What a model's configuration says, and which models are refused because they would be computed wrongly."""

import inspect

from .errors import Unsupported
from .reach import CHUNKED, FULL, KINDS, SLIDING, Reach

# Rotary embeddings that turn earlier keys otherwise once the sequence is longer: K of a block would not be the block's own.
_CHANGING_ROPES = ("dynamic", "longrope")


def layer_reaches(config):
    """The `Reach` of each layer. Raises `Unsupported`, by name, for a model that cannot be computed rightly."""
    name = config.model_type
    if getattr(config, "is_encoder_decoder", False):
        raise Unsupported(f"{name} is an encoder-decoder: its cross-attention has no blocks of tokens")
    if getattr(config, "is_causal", True) is False:
        raise Unsupported(f"{name} is configured as not causal")
    if getattr(config, "num_kv_shared_layers", 0) or getattr(config, "kv_sharing_modes", None):
        raise Unsupported(f"{name} shares K and V between layers")
    if any(getattr(config, key, None) for key in ("index_topk", "index_n_heads")):
        raise Unsupported(f"{name} picks keys by sparse indices")
    if getattr(config, "kv_lora_rank", None):
        raise Unsupported(f"{name} keeps latent K and V")
    for rope in _ropes(config):
        if rope in _CHANGING_ROPES:
            raise Unsupported(
                f"{name} has {rope!r} rotary embeddings, which turn earlier keys otherwise as a sequence grows"
            )
    return tuple(_reach(config, name, kind) for kind in _layer_types(config))


def _layer_types(config):
    kinds = getattr(config, "layer_types", None)
    if kinds is not None:
        return kinds
    if getattr(config, "sliding_window", None) is not None:
        kind = "sliding_attention"
    elif getattr(config, "attention_chunk_size", None) is not None:
        kind = "chunked_attention"
    else:
        kind = "full_attention"
    return [kind] * config.num_hidden_layers


def _reach(config, name, kind):
    if kind not in KINDS:
        raise Unsupported(
            f"{name} has layers of type {kind!r}: full, sliding and chunked attention are possible, recurrent layers are not"
        )
    if KINDS[kind] == FULL:
        return Reach(FULL)
    key = "sliding_window" if KINDS[kind] == SLIDING else "attention_chunk_size"
    tokens = getattr(config, key, None)
    if not isinstance(tokens, int) or tokens < 1:
        raise Unsupported(f"{name} has layers of type {kind!r} and no {key}")
    return Reach(SLIDING if KINDS[kind] == SLIDING else CHUNKED, tokens)


def _ropes(config):
    for key in ("rope_parameters", "rope_scaling"):
        parameters = getattr(config, key, None)
        if isinstance(parameters, dict):
            for part in [parameters, *parameters.values()]:
                if isinstance(part, dict):
                    yield part.get("rope_type", part.get("type"))


def unwrapped(model):
    """The model itself, where this is what `torch.compile` made of it."""
    return getattr(model, "_orig_mod", model)


def cache_argument(model):
    """What the model's forward calls its cache: `past_key_values`, or `cache` in newer versions of Transformers."""
    parameters = inspect.signature(type(unwrapped(model)).forward).parameters
    return "cache" if "cache" in parameters else "past_key_values"
