"""The daemon as one cache sees it: where it is, and how sequences are opened in it."""

import time

from .errors import Refused, Unavailable
from .sequence import Limits, Plan, Sequence
from .wire.session import Session


class Store:
    """Connects when first needed, and again after the daemon went away."""

    def __init__(self, socket, layers, reach, ring_slots, chunk_tokens, limits=Limits(), reconnect_s=30.0, trusted_uids=()):
        self.layers = layers
        self.reach = reach
        self.ring_slots = ring_slots
        self.chunk_tokens = chunk_tokens
        self.reconnect_s = reconnect_s
        self.layout = None
        self.batch = 1
        self._socket = socket
        self._limits = limits
        self._trusted_uids = trusted_uids
        self._session = None

    @property
    def session(self):
        if self._session is None or self._session.is_closed:
            self._session = Session(self._socket, trusted_uids=self._trusted_uids)
        return self._session

    @property
    def is_connected(self):
        return self._session is not None and not self._session.is_closed

    def hang_up(self):
        """Ends the session, and with it every sequence in it."""
        if self._session is not None:
            self._session.close()
        self._session = None

    def reconnect(self):
        """A new session, waiting for a daemon so long as was asked for."""
        self.hang_up()
        deadline = time.monotonic() + self.reconnect_s
        while True:
            try:
                return self.session
            except Unavailable:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(0.1)

    @property
    def chunk_blocks(self):
        return max(1, self.chunk_tokens // self.layout.block_tokens)

    @property
    def staging_slots(self):
        """Two chunks' blocks of a layer: one is written while the other is taken in. In a batch, other rows are computed
        meanwhile."""
        return (2 if self.batch == 1 else 1) * self.chunk_blocks + 1

    def refuse_misfit(self, plan):
        """Raises `Refused` where the rows of one batch wait for each other's memory."""
        use, slot = self.session.statistics(), self.layout.slot_bytes
        ring = plan.ring_slots * slot * self.batch
        staging = (plan.staging_slots + 2) * slot * self.batch
        needs = [("device", ring, use.device.budget_bytes)] if use.device.budget_bytes else []
        needs.append(("host", staging if needs else staging + ring, use.host.budget_bytes))
        for tier, needed, budget in needs:
            if needed > budget:
                raise Refused(
                    f"the {tier} budget of {budget / (1 << 20):.1f} MiB is too small for one step of {self.batch} rows "
                    f"at once: {needed / (1 << 20):.1f} MiB would do, or smaller chunks, or fewer rows"
                )

    def open(self, total_blocks):
        """An admitted sequence that may name so many blocks."""
        is_hybrid = any(reach.kind for reach in self.reach)
        plan = Plan(
            layout=self.layout,
            layers=self.layers,
            chunk_blocks=self.chunk_blocks,
            total_blocks=max(1, total_blocks),
            staging_slots=self.staging_slots,
            ring_slots=self.ring_slots,
            reach=tuple((reach.kind, reach.tokens) for reach in self.reach) if is_hybrid else (),
        )
        return Sequence(self.session, plan, self._limits, on_queued=lambda: self.refuse_misfit(plan))
