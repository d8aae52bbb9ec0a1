"""Blocks: their layout in a slot, and the ids that name them (docs/protocol.md, "Slots" and "Block ids")."""

import hashlib
import os
import struct
from dataclasses import dataclass, field

import torch

ELEMENTS = {torch.float32: 0, torch.bfloat16: 1, torch.float16: 2}
ID_BYTES = 32
_DOMAIN = b"tierd block v1\0"


@dataclass(frozen=True)
class Layout:
    """K then V of one layer for `block_tokens` tokens, each [kv_heads, block_tokens, head_dim] of `dtype`."""

    dtype: torch.dtype
    kv_heads: int
    head_dim: int
    block_tokens: int
    payload_bytes: int = field(init=False)

    def __post_init__(self):
        elements = 2 * self.kv_heads * self.head_dim * self.block_tokens
        object.__setattr__(self, "payload_bytes", elements * self.dtype.itemsize)

    @property
    def element(self):
        return ELEMENTS[self.dtype]

    @property
    def slot_bytes(self):
        """The payload, rounded up as the daemon's slots are."""
        return -(-self.payload_bytes // 4096) * 4096


class BlockChain:
    """The ids of a sequence's full blocks by rule 1: each covers its tokens and all before them."""

    def __init__(self, fingerprint, layout):
        self._prefix = _DOMAIN + fingerprint + struct.pack(
            "<BIII", layout.element, layout.block_tokens, layout.kv_heads, layout.head_dim
        )
        self._block_tokens = layout.block_tokens

    def ids(self, tokens, known=()):
        """The ids of the full blocks of `tokens`; `known` are those of its first blocks."""
        ids = list(known)
        size = self._block_tokens
        for block in range(len(ids), len(tokens) // size):
            parent = ids[-1] if ids else bytes(ID_BYTES)
            packed = struct.pack(f"<{size}I", *tokens[block * size : (block + 1) * size])
            ids.append(hashlib.sha256(self._prefix + parent + packed).digest())
        return ids


def private_id():
    """An id no other block has: for K and V that are not those of known tokens."""
    return os.urandom(ID_BYTES)
