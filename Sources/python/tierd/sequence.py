"""One sequence of the daemon, as this process uses it: named blocks, staging slots, seals and leases.

Nothing is held while something is waited for that others may have to give: leases of a layer are asked for once its
staging slots are in hand. Every wait ends: an answer, or an exception.
"""

from collections import deque
from dataclasses import dataclass

from .errors import Refused, TierdError, Violated
from .wire import worker_pb2 as wire
from .wire.arenas import DATA, GENERATIONS, STAGING

_RESIDENT, _MOVING, _LOST = 1, 2, 3
_SLOT = 1


@dataclass(frozen=True)
class Plan:
    """What the daemon is told of a sequence. `reach`: by layer; empty where every layer reads everything."""

    layout: object
    layers: int
    chunk_blocks: int
    total_blocks: int
    staging_slots: int
    ring_slots: int
    reach: tuple = ()


@dataclass(frozen=True)
class Limits:
    """Seconds nothing may come from the daemon while something is awaited."""

    stall_s: float = 60.0
    admission_s: float = 600.0


class Leased:
    """Blocks of one layer asked for: those leased and not used yet, those on their way, those that are lost."""

    def __init__(self, layer):
        self.layer = layer
        self.ready = deque()
        self.waiting = set()
        self.lost = []


class Sequence:
    """Opens a sequence in `session` and waits until it is admitted. `on_queued` is called where it has to queue.

    Raises `Refused` with the daemon's figures, `Unavailable` where it does not answer.
    """

    def __init__(self, session, plan, limits=Limits(), on_queued=None):
        self.session = session
        self.plan = plan
        self.limits = limits
        self.layout = plan.layout
        self.named = 0
        self.cached_blocks = 0
        self.seals_awaited = 0
        self.dropped = 0
        self.is_open = False
        # How many sequences waited before this one when it was queued; None where it was not.
        self.ahead = None
        self._extended = 0
        self._staging = None
        self._refusal = None
        self._reserved = None
        self._leases = None
        self._is_closed = False
        self.number = session.register(self)
        session.send(open=self._open_message())
        self._await_admission(on_queued)
        if self._refusal is not None:
            session.unregister(self.number)
            raise Refused(_refusal_text(self._refusal))
        self.is_open = True

    def _await_admission(self, on_queued):
        self._wait(lambda: (self._staging, self._refusal) != (None, None) or self.ahead is not None, "admission")
        if self.ahead is not None and on_queued is not None:
            try:
                on_queued()
            except TierdError:
                self.session.send(close=wire.Close(sequence=self.number))
                self._wait(lambda: self._is_closed, "the sequence to close")
                self.session.unregister(self.number)
                raise
        self._wait(lambda: (self._staging, self._refusal) != (None, None), "admission", self.limits.admission_s)

    def _open_message(self):
        plan, layout = self.plan, self.layout
        return wire.Open(
            sequence=self.number,
            element=layout.element,
            kv_heads=layout.kv_heads,
            head_dim=layout.head_dim,
            block_tokens=layout.block_tokens,
            layers=plan.layers,
            chunk_blocks=plan.chunk_blocks,
            total_blocks=plan.total_blocks,
            staging_slots=plan.staging_slots,
            ring_slots=plan.ring_slots,
            reach=[wire.Reach(kind=kind, tokens=tokens) for kind, tokens in plan.reach],
        )

    def extend(self, ids):
        """Names the next blocks. `cached_blocks` then says how many leading ones the daemon holds in all layers."""
        for part in _parts(ids, self.session.blocks_per_request):
            self._extended += len(part)
            self.session.send(extend=wire.Extend(sequence=self.number, blocks=b"".join(part)))
        self._wait(lambda: self.named >= self._extended, "the names of blocks")

    def reserve(self, layer, first, count):
        """Staging slots for own blocks, one each: [K and V, KV heads, tokens, head dimension]; None where the block
        is sealed already. No more than the plan's staging slots at once."""
        self._reserved = None
        self.session.send(reserve=self._range(layer, first, count))
        self._wait(lambda: self._reserved is not None, f"staging slots of layer {layer}")
        answer, self._reserved = self._reserved, None
        if (answer.layer, answer.first) != (layer, first):
            raise Violated("the daemon reserved blocks that were not asked for")
        slots = iter(answer.slots)
        return [
            self._staging_slot(next(slots)) if state == _SLOT else None for state in _states(answer.runs)
        ]

    def _staging_slot(self, slot):
        arena = self.session.arenas.get(self._staging, STAGING, slot)
        return arena.blocks(self.layout)[slot]

    def seal(self, layer, first, count):
        """What was written to the staging slots is complete."""
        self.seals_awaited += count
        self.session.send(seal=self._range(layer, first, count))

    def acquire(self, layer, blocks, chunk):
        """Asks for leases of blocks of a layer: a `Leased`, which fills as answers come."""
        leases = self._leases = Leased(layer)
        self._ask(leases, blocks, chunk)
        return leases

    def acquire_again(self, leases, blocks, chunk):
        """For blocks that were leased and could not be used."""
        self._ask(leases, blocks, chunk)

    def _ask(self, leases, blocks, chunk):
        leases.waiting.update(blocks)
        for first, count in runs(blocks, self.session.blocks_per_request):
            self.session.send(
                acquire=wire.Acquire(sequence=self.number, layer=leases.layer, first=first, count=count, chunk=chunk)
            )

    def await_lease(self, leases):
        """Waits until a block is leased, or none is on its way any more."""
        self._wait(lambda: leases.ready or not leases.waiting, f"blocks of layer {leases.layer}")

    def release(self, layer, blocks):
        """Ends the leases of these blocks."""
        for first, count in runs(blocks, self.session.blocks_per_request):
            self.session.send(release=self._range(layer, first, count))

    def arena_of(self, slot):
        """The data arena and the index in it, of a lease's slot."""
        number, index = slot >> 32, slot & 0xFFFFFFFF
        return self.session.arenas.get(number, DATA, index), index

    def generations_of(self, slot):
        """The generation table of a lease's slot: a number for each slot of its arena, as it is now."""
        number, index = slot >> 32, slot & 0xFFFFFFFF
        return self.session.arenas.get(number, GENERATIONS, index).generations

    def settle(self):
        """Waits until the daemon has taken in what was sealed."""
        self._wait(lambda: self.seals_awaited == 0, f"{self.seals_awaited} sealed blocks to be taken in")

    def give_up(self, leases):
        """Lets everything of `leases` go: what is leased now, and what still comes."""
        while True:
            if leases.ready:
                self.release(leases.layer, [block for block, _, _ in leases.ready])
                leases.ready.clear()
            if not leases.waiting:
                return
            self.await_lease(leases)

    def close(self):
        """Ends the sequence; its blocks stay cached. Idempotent, and no error where the daemon is gone already."""
        if not self.is_open:
            return
        self.is_open = False
        try:
            self.settle()
            self.session.send(close=wire.Close(sequence=self.number))
            self._wait(lambda: self._is_closed, "the sequence to close")
        except TierdError:
            self.session.close()
        self.session.unregister(self.number)

    def handle(self, body, message):
        """One reply about this sequence."""
        if body == "admitted":
            self._staging = message.staging
        elif body == "refused":
            self._refusal = message
        elif body == "extended":
            self.named, self.cached_blocks = message.named, message.cached_blocks
        elif body == "reserved":
            self._reserved = message
        elif body == "sealed":
            self.seals_awaited -= message.count
            if message.outcome == wire.Sealed.DROPPED:
                self.dropped += message.count
        elif body == "acquired":
            self._acquired(message)
        elif body == "ready":
            for i, (slot, generation) in enumerate(zip(message.slots, message.generations)):
                self._lease(message.layer, message.first + i, slot, generation)
        elif body == "lost":
            for block in range(message.first, message.first + message.count):
                self._lose(message.layer, block)
        elif body == "closed":
            self._is_closed = True
        elif body == "queued":
            self.ahead = message.ahead
        elif body != "durable":
            raise Violated(f"the daemon sent an answer ({body}) that belongs to no request")

    def _acquired(self, message):
        slots, generations = iter(message.slots), iter(message.generations)
        for i, state in enumerate(_states(message.runs)):
            if state == _RESIDENT:
                self._lease(message.layer, message.first + i, next(slots), next(generations))
            elif state == _LOST:
                self._lose(message.layer, message.first + i)

    def _lease(self, layer, block, slot, generation):
        self._expect(layer, block)
        self._leases.ready.append((block, slot, generation))

    def _lose(self, layer, block):
        self._expect(layer, block)
        self._leases.lost.append(block)

    def _expect(self, layer, block):
        leases = self._leases
        if leases is None or leases.layer != layer or block not in leases.waiting:
            raise Violated(f"the daemon answered for block {block} of layer {layer}, which nobody asked for")
        leases.waiting.discard(block)

    def _range(self, layer, first, count):
        return wire.BlockRange(sequence=self.number, layer=layer, first=first, count=count)

    def _wait(self, is_done, what, timeout_s=None):
        if not is_done():
            self.session.wait(is_done, what, timeout_s or self.limits.stall_s)


def _states(packed):
    for word in packed:
        yield from [word & 3] * (word >> 2)


def _parts(items, limit):
    for start in range(0, len(items), limit):
        yield items[start : start + limit]


def runs(blocks, limit):
    """(first, count) of consecutive blocks, in order, none longer than `limit`."""
    start = count = None
    for block in sorted(blocks):
        if count and block == start + count and count < limit:
            count += 1
            continue
        if count:
            yield start, count
        start, count = block, 1
    if count:
        yield start, count


def _refusal_text(refusal):
    reason = wire.Refused
    mib = lambda count: f"{count / (1 << 20):.1f} MiB"  # noqa: E731
    if refusal.reason == reason.STEP_EXCEEDS_BUDGET:
        tier = wire.Tier.Name(refusal.tier).lower()
        return (
            f"the {tier} budget of {mib(refusal.budget_bytes)} is too small for one step of this sequence: the smallest "
            f"that would do is {mib(refusal.needed_bytes)}, or use smaller chunks"
        )
    if refusal.reason == reason.SEQUENCE_EXCEEDS_BUDGETS:
        return (
            f"the sequence's KV of {mib(refusal.needed_bytes)} does not fit all tiers together "
            f"({mib(refusal.budget_bytes)}): raise the disk budget, or lower max_length"
        )
    if refusal.reason == reason.QUEUE_FULL:
        return f"{refusal.limit} sequences wait for memory already: try again later"
    return "the daemon is draining and takes no new sequences: try again when it is back"
