"""The attention and the mask that Transformers calls by the name "tierd".

The mask function returns a description, no tensor. `TieredCache.update` notes what the attention that follows it is for;
a model that does anything in between that this does not know is refused.
"""

import threading
from dataclasses import dataclass

import torch
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface, causal_mask_function

from .errors import Unsupported
from .reach import CHUNKED, FULL, SLIDING, Reach

NAME = "tierd"
_step = threading.local()


@dataclass(frozen=True)
class MaskDescription:
    """Which keys a query sees, and how many tokens of each row are no padding (None: all of them).

    `counts`: of the tokens of this step, those of each row, which are its last.
    """

    reach: Reach
    counts: tuple | None = None


def expect_attention(cache, layer):
    """The next attention is `layer`'s of `cache`."""
    _step.expected = cache, layer


@torch.compiler.disable
def tierd_mask(batch_size, q_length, kv_length, mask_function, attention_mask=None, **_):
    """Registered with `AttentionMaskInterface`. Raises `Unsupported` for any mask but the three known ones."""
    return MaskDescription(_reach(mask_function), _counts(attention_mask, q_length, kv_length))


def _reach(mask_function):
    if mask_function is causal_mask_function:
        return Reach(FULL)
    parts = _captured(mask_function, "and_masks", "mask_functions")
    if parts is not None and len(parts) == 2 and parts[1] is causal_mask_function:
        window = _captured(parts[0], "sliding_window_overlay", "sliding_window")
        if window is not None:
            return Reach(SLIDING, int(window))
        chunk = _captured(parts[0], "chunked_overlay", "chunk_size")
        if chunk is not None:
            return Reach(CHUNKED, int(chunk))
    raise Unsupported(
        "the model asks for a mask that is neither causal, sliding nor chunked (bidirectional, packed or custom): "
        "the attention 'tierd' does not compute it"
    )


def _captured(function, factory, name):
    """What a function made by Transformers' `factory` holds as `name`; None where it is not of that factory."""
    if getattr(function, "__module__", "") != causal_mask_function.__module__:
        return None
    if not getattr(function, "__qualname__", "").startswith(factory + ".<locals>."):
        return None
    names = function.__code__.co_freevars
    return function.__closure__[names.index(name)].cell_contents if name in names else None


def _counts(attention_mask, q_length, kv_length):
    if attention_mask is None:
        return None
    mask = attention_mask[:, :kv_length]
    if bool(mask.all()):
        return None
    if bool((mask[:, 1:] < mask[:, :-1]).any()):
        raise Unsupported("the attention mask has padding after tokens: only padding on the left is possible")
    return tuple(mask[:, -q_length:].sum(-1).tolist())


@torch.compiler.disable
def tierd_attention(
    module, query, key, value, attention_mask, scaling=None, dropout=0.0, softcap=None, s_aux=None, **kwargs
):
    """Registered with `AttentionInterface`. query [batch, heads, tokens, head dim]; key and value of the new tokens alone.

    Returns (output [batch, tokens, heads, head dim], None). Raises `Unsupported` for what it would compute wrongly.
    """
    expected, _step.expected = getattr(_step, "expected", None), None
    if expected is None:
        raise Unsupported(
            f"{type(module).__name__} calls the attention 'tierd' without a TieredCache: use tierd.generate, or pass a "
            "tierd.TieredCache as the model's cache"
        )
    cache, layer = expected
    if dropout:
        raise Unsupported("the attention 'tierd' has no dropout: call model.eval()")
    if torch.is_grad_enabled() and query.requires_grad:
        raise Unsupported("the attention 'tierd' has no gradient: use torch.no_grad()")
    for name in ("indices", "position_bias", "block_mask", "head_mask", "cu_seq_lens_q"):
        if kwargs.get(name) is not None:
            raise Unsupported(f"{type(module).__name__} passes {name!r} to its attention: 'tierd' does not compute that")
    if kwargs.get("is_causal") is False or getattr(module, "is_causal", True) is False:
        raise Unsupported(f"{type(module).__name__} is not causal: the attention 'tierd' does not compute it")
    if kwargs.get("output_attentions"):
        raise Unsupported("the attention 'tierd' never has the attention weights: output_attentions is not possible")
    if not isinstance(attention_mask, MaskDescription):
        raise Unsupported(
            f"{type(module).__name__} came with a mask of its own making ({type(attention_mask).__name__}): the attention "
            "'tierd' takes two-dimensional padding masks only"
        )
    if scaling is None:
        scaling = query.shape[-1] ** -0.5
    with torch.no_grad():
        return cache.attend(layer, query, key, value, attention_mask, scaling, softcap, s_aux), None


AttentionInterface.register(NAME, tierd_attention)
AttentionMaskInterface.register(NAME, tierd_mask)
