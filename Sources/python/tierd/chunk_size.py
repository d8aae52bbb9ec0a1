"""How many tokens to prefill at once: the rule of `tierctl recommend`, on the daemon's budgets.

The least of: the field's table by memory of the compute tier, activations in half of what the ring leaves there, two chunks'
K and V of a layer in a quarter of the host, the sequence. (Sources/TierCore/Planning/ChunkSize.swift)
"""

_LEAST = 512
_GIB = 1 << 30
_RING_SHARE, _RING_SLOTS = 16, 64


def recommended_chunk(statistics, config, layout, sequence_tokens):
    """Tokens, a multiple of the block's. `statistics`: the daemon's, for its budgets."""
    compute = statistics.device.budget_bytes or statistics.host.budget_bytes
    layer_token_bytes = layout.payload_bytes // layout.block_tokens
    ring = min(compute // _RING_SHARE, _RING_SLOTS * layout.payload_bytes)
    activations = _activation_bytes(config, layout.dtype.itemsize)
    chosen = min(
        _table(compute),
        max(0, compute - ring) // 2 // activations,
        statistics.host.budget_bytes // 4 // (2 * layer_token_bytes),
    )
    block = layout.block_tokens
    if sequence_tokens <= chosen:
        return max(1, -(-sequence_tokens // block)) * block
    return max(1, chosen // block) * block


def _table(memory_bytes):
    for gib, tokens in ((40, 65536), (24, 32768), (16, 16384)):
        if memory_bytes >= gib * _GIB:
            return tokens
    tokens = max(_LEAST, 16384 * (memory_bytes >> 20) // (16 << 10))
    return 1 << (tokens.bit_length() - 1)


def _activation_bytes(config, element_bytes):
    """Of one token while a layer is computed: what tier-worker needs, and the feed-forward's intermediate values, which
    Transformers keeps whole."""
    heads = config.num_attention_heads
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // heads
    query, kv = heads * head_dim, (getattr(config, "num_key_value_heads", None) or heads) * head_dim
    intermediate = getattr(config, "intermediate_size", None) or 4 * config.hidden_size
    state = 4 * (config.hidden_size + query + 2 * heads)
    return state + element_bytes * (query + 2 * kv + 3 * intermediate)
