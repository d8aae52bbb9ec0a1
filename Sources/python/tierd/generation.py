"""`generate`: Transformers' generation with a prompt that is read in chunks, its KV in the daemon."""

import contextlib

import torch

from .cache import TieredCache
from .chunk_size import recommended_chunk
from .errors import Unsupported
from .interface import NAME
from .models import cache_argument

# A prompt's last chunk is padded to one of these parts of a chunk where shapes are compiled.
_PARTS = 4


def enable(model):
    """Gives the model the attention "tierd". Raises `Unsupported` where its class does not let attention be chosen."""
    text = model.config.get_text_config(decoder=True)
    if text._attn_implementation != NAME:
        model.set_attn_implementation(NAME)
    if text._attn_implementation != NAME:
        raise Unsupported(f"{type(model).__name__} does not take its attention from Transformers' AttentionInterface")
    return model


@torch.no_grad()
def generate(
    model,
    input_ids,
    attention_mask=None,
    *,
    cache=None,
    prefill_chunk_size="auto",
    socket=None,
    block_tokens=256,
    **kwargs,
):
    """`model.generate(input_ids, …)` with the KV cache in tierd.

    The prompt is read in chunks of `prefill_chunk_size` tokens ("auto": by the daemon's budgets), but for what the daemon
    has already: a prompt that begins as an earlier one did, of this process or another of the same user, is read from where
    they part. All other arguments are those of `model.generate`, and so is the result.

    Args:
        input_ids: [batch, tokens], padded on the left where `attention_mask` is 0.
        cache: a `TieredCache` made with `model`, to go on with: `input_ids` then begins with what it holds. By default one is
            made, and closed at the end.
        socket, block_tokens: of the cache that is made.

    Raises `Unsupported` for what would be computed wrongly, `Refused` where memory is too small, `Unavailable` where there
    is no daemon.
    """
    if kwargs.get("inputs_embeds") is not None or input_ids is None:
        raise Unsupported("tierd.generate reads token ids: inputs_embeds is not possible")
    if kwargs.pop("cache_implementation", None) is not None or kwargs.get("past_key_values") is not None:
        raise Unsupported("tierd.generate has a cache of its own: give neither cache_implementation nor past_key_values")
    enable(model)
    tokens = _tokens(input_ids, attention_mask)
    made = None
    if cache is None:
        new = kwargs.get("max_new_tokens") or max(0, (kwargs.get("max_length") or 0) - input_ids.shape[1])
        if not new:
            new = getattr(model.generation_config, "max_new_tokens", None) or 20
        size = 1024 if prefill_chunk_size == "auto" else prefill_chunk_size
        cache = made = TieredCache(
            model.config, model, socket=socket, block_tokens=block_tokens, chunk_tokens=size,
            max_length=input_ids.shape[1] + new,
        )
    elif cache.model is not model:
        raise Unsupported("the cache was not made with this model: TieredCache(model.config, model)")
    try:
        chunk = choose_chunk(model, cache, prefill_chunk_size, max(map(len, tokens)))
        prefill(model, cache, tokens, input_ids.shape[1], chunk)
        copies = max(kwargs.get("num_beams") or 1, kwargs.get("num_return_sequences") or 1)
        if copies > 1:
            cache.batch_repeat_interleave(copies)
        with following(model, cache):
            return model.generate(input_ids, attention_mask=attention_mask, **{cache_argument(model): cache}, **kwargs)
    finally:
        if made is not None:
            made.close()


def _tokens(input_ids, attention_mask):
    """Each row's tokens, without its padding."""
    if input_ids.dim() != 2 or input_ids.shape[1] < 1:
        raise ValueError("input_ids is [batch, tokens], of one token at least")
    if attention_mask is None:
        return input_ids.tolist()
    if attention_mask.shape != input_ids.shape:
        raise ValueError("attention_mask is of another shape than input_ids")
    mask = attention_mask.bool()
    if bool((mask[:, 1:] < mask[:, :-1]).any()) or not bool(mask[:, -1].all()):
        raise Unsupported("the attention mask has padding after tokens: pad on the left (tokenizer.padding_side)")
    return [row[len(row) - n :] for row, n in zip(input_ids.tolist(), mask.sum(-1).tolist())]


def choose_chunk(model, cache, wanted, sequence_tokens):
    """`wanted`, or what the daemon's budgets recommend where it is "auto"; has the cache stage as much at once."""
    describe(model, cache)
    if wanted == "auto":
        config = model.config.get_text_config(decoder=True)
        wanted = recommended_chunk(cache.session.statistics(), config, cache.layout, sequence_tokens)
    if not isinstance(wanted, int) or wanted < 1:
        raise ValueError(f"prefill_chunk_size is 'auto' or a number of tokens, not {wanted!r}")
    cache.plan_chunks(wanted)
    return wanted


def describe(model, cache):
    """Tells the cache the shape of the model's KV, by its configuration."""
    config = model.config.get_text_config(decoder=True)
    heads = config.num_attention_heads
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // heads
    cache.describe(model.dtype, getattr(config, "num_key_value_heads", None) or heads, head_dim)


@torch.no_grad()
def prefill(model, cache, tokens, columns, chunk):
    """Reads all but the last of each row's tokens into the cache, a chunk at a time, after what is there already.

    tokens: by row. columns: of the batch, padding included. Rows end in the same column; each begins where what the
    daemon has ends.
    """
    rows = cache.prepare(len(tokens))
    for row, own in zip(rows, tokens):
        cache.go_on(row, own)
    left = [len(own) - 1 - row.length for row, own in zip(rows, tokens)]
    device = model.get_input_embeddings().weight.device
    is_compiled = getattr(model, "_compiled_call_impl", None) is not None or hasattr(model, "_orig_mod")
    while max(left) > 0:
        size = min(chunk, max(left))
        width = _padded(size, chunk) if is_compiled else size
        counts = [max(0, n - (max(left) - size)) for n in left]
        ids = torch.zeros(len(rows), width, dtype=torch.long)
        positions = torch.zeros_like(ids)
        for i, (row, own, count) in enumerate(zip(rows, tokens, counts)):
            if count:
                ids[i, width - count :] = torch.tensor(own[row.length : row.length + count])
                positions[i, width - count :] = torch.arange(row.length, row.length + count)
        cache.plan_step(counts, columns - 1 - max(left) + size - width)
        _forward(model, cache, ids.to(device), positions.to(device))
        left = [n - count for n, count in zip(left, counts)]
    cache.plan_step([0] * len(rows), columns - 1)
    cache.unplan()


def _padded(size, chunk):
    part = max(1, chunk // _PARTS)
    return min(chunk, -(-size // part) * part)


def _forward(model, cache, ids, positions):
    model(
        input_ids=ids, position_ids=positions, use_cache=True, logits_to_keep=1, **{cache_argument(model): cache}
    )


@contextlib.contextmanager
def following(model, cache):
    """While this is open, the cache learns the tokens of each forward that `model` makes with it."""

    @torch.compiler.disable
    def hook(module, args, kwargs):
        if kwargs.get(cache_argument(module)) is cache:
            ids = kwargs.get("input_ids", args[0] if args else None)
            cache.observe(ids, kwargs.get("attention_mask"), kwargs.get("position_ids"))

    handle = model.register_forward_pre_hook(hook, with_kwargs=True)
    try:
        yield cache
    finally:
        handle.remove()
