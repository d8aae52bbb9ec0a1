"""Attention over a row's past blocks, in whatever order they become resident."""

import torch

from .errors import BlocksLost, Violated
from .partial import attend, attend_each, causal_bias

# Keys attended at once: enough that merging costs little, few enough that slots go back while others arrive.
BATCH_KEYS = 2048
# Up to so many queries each block is a partial of its own in one call; beyond, blocks are laid side by side first.
FEW_QUERIES = 32
MAX_ATTEMPTS = 8


def attend_keys(accumulator, query, positions, key, value, keys, reach, scale, softcap):
    """Merges attention of the queries at `positions` over the keys at `keys`, which lie in key, value [KV heads, keys, dim].
    """
    everyone = reach.sees_all(positions, keys)
    some = reach.sees_any(positions, keys)
    if everyone:
        part = slice(everyone.start - positions.start, everyone.stop - positions.start)
        accumulator.merge(*attend(query[:, :, part], key, value, scale, softcap=softcap), part)
        edges = (range(some.start, everyone.start), range(everyone.stop, some.stop))
    else:
        edges = (some,)
    for edge in edges:
        for start in range(edge.start, edge.stop, 256):
            rows = range(start, min(start + 256, edge.stop))
            part = slice(rows.start - positions.start, rows.stop - positions.start)
            bias = causal_bias(rows, keys, reach, query.device)
            accumulator.merge(*attend(query[:, :, part], key, value, scale, bias=bias, softcap=softcap), part)


class PastAttention:
    """Past blocks `todo` of one layer of one row, for the queries of one step. `run` may be tried again after a failure:
    what was merged stays merged."""

    def __init__(self, row, layer, query, reach, scale, softcap, accumulator):
        self.row, self.layer, self.query = row, layer, query
        self.reach, self.scale, self.softcap = reach, scale, softcap
        self.accumulator = accumulator
        self.positions = range(row.length, row.length + row.count)
        first = reach.first_key(row.length) // row.block_tokens
        self.todo = set(range(first, row.length // row.block_tokens))
        self._attempts = {}
        self._scratch = None
        self._leases = None

    def ask(self):
        """Asks for leases of what is left to do."""
        self._leases = self.row.sequence.acquire(self.layer, self.todo, self.row.step) if self.todo else None

    def run(self):
        """Attends blocks as they come, until all are done. Raises `BlocksLost`, after which nothing is leased."""
        leases, sequence = self._leases, self.row.sequence
        if leases is None:
            return
        flight = None
        batch_blocks = max(1, BATCH_KEYS // self.row.block_tokens)
        while leases.ready or leases.waiting or flight:
            if not leases.ready and flight:
                flight = self._land(flight)
                continue
            if not leases.ready:
                sequence.await_lease(leases)
                continue
            batch = [leases.ready.popleft() for _ in range(min(batch_blocks, len(leases.ready)))]
            launched = self._launch(batch)
            if flight:
                self._land(flight)
            flight = launched
            if not launched[2]:
                flight = self._land(flight)
        if leases.lost:
            raise BlocksLost(
                f"{len(leases.lost)} KV blocks of layer {self.layer}, first block {min(leases.lost)}, "
                "were lost by the daemon"
            )

    def _launch(self, batch):
        """Starts a batch: (batch, partials, event). The partials count once the batch has landed."""
        size = self.row.block_tokens
        whole, edge = [], []
        for entry in batch:
            keys = range(entry[0] * size, (entry[0] + 1) * size)
            (whole if len(self.reach.sees_all(self.positions, keys)) == len(self.positions) else edge).append(entry)
        partials = _Partials()
        if whole:
            if len(self.positions) <= FEW_QUERIES:
                for blocks in self._by_arena(whole):
                    partials.merge(*attend_each(self.query, blocks[:, 0], blocks[:, 1], self.scale, self.softcap))
            else:
                key, value = self._side_by_side(whole)
                partials.merge(*attend(self.query, key, value, self.scale, softcap=self.softcap))
        for block, slot, _ in edge:
            key, value = self._on_device(self._block(slot))
            keys = range(block * size, (block + 1) * size)
            attend_keys(
                partials, self.query, self.positions, key, value, keys, self.reach, self.scale, self.softcap
            )
        event = None
        if self.query.device.type == "cuda":
            event = torch.cuda.Event()
            event.record()
        return batch, partials, event

    def _land(self, flight):
        """The batch's bytes have been used: if its slots still hold its blocks, what came out is merged."""
        batch, partials, event = flight
        if event is not None:
            event.synchronize()
        stale = [entry for entry in batch if not self._is_current(entry)]
        sequence = self.row.sequence
        sequence.release(self.layer, [block for block, _, _ in batch])
        if not stale:
            partials.merge_into(self.accumulator)
            self.todo.difference_update(block for block, _, _ in batch)
            return None
        for block, _, _ in batch:
            self._attempts[block] = self._attempts.get(block, 0) + 1
            if self._attempts[block] >= MAX_ATTEMPTS:
                raise Violated(f"KV block {block} of layer {self.layer} was overwritten while leased: tierd is at fault")
        sequence.acquire_again(self._leases, [block for block, _, _ in batch], self.row.step)
        return None

    def _is_current(self, entry):
        _, slot, generation = entry
        # Read after the bytes were used: loads of one thread stay in order on the processors this runs on.
        table = self.row.sequence.generations_of(slot)
        return table[slot & 0xFFFFFFFF] == generation

    def _block(self, slot):
        arena, index = self.row.sequence.arena_of(slot)
        return arena.blocks(self.row.store.layout)[index]

    def _on_device(self, block):
        return block.to(self.query.device, non_blocking=True)

    def _by_arena(self, batch):
        """[blocks, K and V, KV heads, tokens, head dim] for each arena the batch lies in; no copy where slots adjoin."""
        arenas = {}
        for _, slot, _ in batch:
            arena, index = self.row.sequence.arena_of(slot)
            arenas.setdefault(arena.number, (arena, []))[1].append(index)
        for arena, indices in arenas.values():
            indices.sort()
            blocks = arena.blocks(self.row.store.layout)
            if indices[-1] - indices[0] == len(indices) - 1:
                yield self._on_device(blocks[indices[0] : indices[-1] + 1])
            else:
                chosen = torch.tensor(indices, device=blocks.device)
                yield self._on_device(blocks.index_select(0, chosen))

    def _side_by_side(self, batch):
        """K and V of the batch as one run of keys. One block is used where it lies."""
        layout = self.row.store.layout
        if len(batch) == 1:
            return self._on_device(self._block(batch[0][1]))
        size = layout.block_tokens
        if self._scratch is None or self._scratch.shape[2] < len(batch) * size or self.query.device.type == "cuda":
            self._scratch = torch.empty(
                2, layout.kv_heads, len(batch) * size, layout.head_dim, dtype=layout.dtype, device=self.query.device
            )
        joined = self._scratch[:, :, : len(batch) * size]
        for i, (_, slot, _) in enumerate(batch):
            joined[:, :, i * size : (i + 1) * size].copy_(self._block(slot), non_blocking=True)
        return joined


class _Partials:
    """Partials of a batch that has not landed yet, in the order they came."""

    def __init__(self):
        self._parts = []

    def merge(self, output, lse, part=slice(None)):
        self._parts.append((output, lse, part))

    def merge_into(self, accumulator):
        for output, lse, part in self._parts:
            accumulator.merge(output, lse, part)


def copy_block(row, layer, block):
    """A copy of a full block of the row, on the device its tail would be on."""
    sequence = row.sequence
    leases = sequence.acquire(layer, [block], row.step)
    sequence.await_lease(leases)
    if leases.lost:
        raise BlocksLost(f"KV block {block} of layer {layer} was lost by the daemon")
    entry = leases.ready.popleft()
    arena, index = sequence.arena_of(entry[1])
    copy = arena.blocks(row.store.layout)[index].clone()
    if copy.device.type == "cuda":
        torch.cuda.synchronize(copy.device)
    current = sequence.generations_of(entry[1])[index] == entry[2]
    sequence.release(layer, [block])
    if not current:
        raise BlocksLost(f"KV block {block} of layer {layer} was overwritten while leased")
    return copy
