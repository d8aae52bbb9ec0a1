"""One row of a batch: a sequence of tokens with its KV, full blocks in the daemon and the last partial one here.

A step (one forward of the model) adds `count` tokens. Nothing of it counts until the last layer is through: a forward that
fails leaves the row as it was.
"""

import torch

from .blocks import BlockChain, private_id


class Row:
    """`tokens`: those known so far, read or announced; None where they are not known."""

    def __init__(self, store, fingerprint=None, max_length=0):
        self.store = store
        self.fingerprint = fingerprint
        self.tokens = [] if fingerprint is not None else None
        self.length = 0
        self.count = 0
        self.step = 0
        self.recoveries = 0
        self.sequence = None
        self.max_length = max_length
        self._ids = []
        self._named = []
        # The first block that no tokens name.
        self._private_from = None if fingerprint is not None else 0
        self._is_in_step = False
        self._tails = {}
        self._new_tails = {}

    @property
    def block_tokens(self):
        return self.store.layout.block_tokens

    def begin(self, count):
        """A step of `count` more tokens. Where they are not known, their blocks are the row's alone."""
        self.count = count
        self._new_tails.clear()
        if self.tokens is not None and len(self.tokens) < self.length + count:
            self.make_private()
            self.tokens = None
        if self._is_in_step and self._private_from is not None:
            # What a failed step may have sealed is not what this one will write.
            del self._ids[max(self._private_from, self.length // self.block_tokens) :]
        self._is_in_step = True
        self.ensure_named()

    def make_private(self):
        """From here on blocks are not named by their tokens, and shared with nobody."""
        if self._private_from is None:
            self._private_from = self.length // self.block_tokens
            del self._ids[self._private_from :]

    def announce(self, tokens):
        """The tokens that follow those computed, so that the daemon can plan for their blocks."""
        if self.tokens is None:
            return
        ahead = self.tokens[self.length : self.length + len(tokens)]
        if ahead != tokens[: len(ahead)]:
            # Others than were announced before.
            del self._ids[self.length // self.block_tokens :]
            del self.tokens[self.length :]
            ahead = []
        self.tokens += tokens[len(ahead) :]

    def _name_blocks(self):
        """An id for each full block of what is known."""
        size = self.block_tokens
        if self._private_from is None:
            self._ids = BlockChain(self.fingerprint, self.store.layout).ids(self.tokens, self._ids)
            return
        known = self.length + self.count if self.tokens is None else len(self.tokens)
        self._ids += [private_id() for _ in range(len(self._ids), known // size)]

    def ensure_named(self):
        """Has the daemon know every full block whose tokens are known; opens, or reopens, the sequence for that."""
        self._name_blocks()
        sequence = self.sequence
        is_same = sequence is not None and self._named == self._ids[: len(self._named)]
        if is_same and sequence.is_open and not sequence.session.is_closed:
            if len(self._ids) <= sequence.plan.total_blocks:
                return self._name_rest()
        self.reopen()

    def reopen(self):
        """A new sequence with the same blocks: they stay cached meanwhile, as far as there is room."""
        self.close()
        needed = len(self._ids)
        planned = self.max_length // self.block_tokens
        # A sequence that outgrew its plan is planned twice as long.
        total = planned if needed <= planned else 2 * needed
        self.sequence = self.store.open(total)
        self._named = []
        self._name_rest()

    def _name_rest(self):
        new = self._ids[len(self._named) :]
        if new:
            self.sequence.extend(new)
            self._named += new

    def close(self):
        if self.sequence is not None:
            self.sequence.close()
        self.sequence = None
        self._named = []

    def forget_sequence(self):
        """The session it was in is gone."""
        self.sequence = None
        self._named = []

    def cached_tokens(self):
        """Leading tokens whose blocks the daemon has in all layers."""
        self.ensure_named()
        return self.sequence.cached_blocks * self.block_tokens if self._named else 0

    def skip_to(self, length):
        """Goes on after `length` tokens, a multiple of the block's: what the daemon has need not be computed."""
        self.length = length
        self._tails.clear()
        self._new_tails.clear()

    def commit(self):
        """The step is through all layers."""
        self._tails.update(self._new_tails)
        self._new_tails.clear()
        self.length += self.count
        self._is_in_step = False
        self.count = self.recoveries = 0
        self.step += 1
        if self.length % self.block_tokens == 0:
            self._tails.clear()

    def tail(self, layer):
        """[K and V, KV heads, tokens, head dimension]: the partial block before this step's tokens; None if empty."""
        size = self.length % self.block_tokens
        return self._tails[layer][:, :, :size] if size else None

    def with_tail(self, layer):
        """The same with this step's tokens, which `write` has put there: only where they end in the same block."""
        return self._new_tails.get(layer, self._tails.get(layer))[:, :, : (self.length + self.count) % self.block_tokens]

    def write(self, layer, key, value):
        """Hands full blocks to the daemon and keeps what is left. key, value: [KV heads, tokens, head dimension]."""
        size = self.block_tokens
        first, start, end = self.length // size, self.length % size, self.length + self.count
        full = range(first, end // size)
        for piece in range(full.start, full.stop, self.store.staging_slots):
            blocks = range(piece, min(piece + self.store.staging_slots, full.stop))
            slots = self.sequence.reserve(layer, blocks.start, len(blocks))
            written = []
            for block, slot in zip(blocks, slots):
                if slot is not None:
                    self._fill(slot, layer, block, key, value)
                    written.append(block)
            for seal_first, count in _runs(written):
                self.sequence.seal(layer, seal_first, count)
        if end % size:
            if full or start == 0:
                tail, into = self._empty_tail(key), 0
                self._new_tails[layer] = tail
            else:
                tail, into = self._tails[layer], start
            count = end % size - into
            tail[0, :, into : end % size] = key[:, key.shape[1] - count :]
            tail[1, :, into : end % size] = value[:, value.shape[1] - count :]

    def _fill(self, slot, layer, block, key, value):
        size, start = self.block_tokens, self.length % self.block_tokens
        offset = block * size - self.length
        into = 0
        if offset < 0:
            slot[:, :, :start] = self._tails[layer][:, :, :start]
            into, offset = start, 0
        slot[0, :, into:] = key[:, offset : offset + size - into]
        slot[1, :, into:] = value[:, offset : offset + size - into]

    def _empty_tail(self, key):
        return torch.empty(2, key.shape[0], self.block_tokens, key.shape[2], dtype=key.dtype, device=key.device)

    def fork(self):
        """A row that goes on from the same tokens by itself."""
        twin = Row(self.store, self.fingerprint, self.max_length)
        twin.tokens = None if self.tokens is None else list(self.tokens)
        twin.length, twin.step = self.length, self.step
        twin._private_from = self._private_from
        # What follows may differ: private blocks ahead are each row's own.
        twin._ids = self._ids[: self.length // self.block_tokens]
        twin._tails = {layer: tail.clone() for layer, tail in self._tails.items()}
        return twin

    def repairing(self, start):
        """The same blocks, read again from `start` on, in the same sequence."""
        twin = Row(self.store, self.fingerprint, self.max_length)
        twin.tokens = self.tokens
        twin.length, twin.step = start, self.step
        twin.sequence, twin._ids, twin._named = self.sequence, self._ids, self._named
        twin._private_from = self._private_from
        return twin

    def crop(self, length, layers):
        """Forgets what follows `length` tokens. Raises `BlocksLost` where the daemon has not what that takes."""
        size = self.block_tokens
        if length >= self.length:
            return
        block, rest = divmod(length, size)
        tails = {}
        if rest and block == self.length // size:
            tails = self._tails
        elif rest:
            tails = {layer: self._read(layer, block) for layer in range(layers)}
        if self.tokens is not None:
            del self.tokens[length:]
        del self._ids[block:]
        self._tails, self.length = tails, length
        self._new_tails.clear()

    def _read(self, layer, block):
        """A copy of a full block."""
        from .past import copy_block

        self.ensure_named()
        return copy_block(self, layer, block)


def _runs(blocks):
    from .sequence import runs

    return runs(blocks, 1024)
