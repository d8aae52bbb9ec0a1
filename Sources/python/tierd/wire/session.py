"""A session with the daemon: the handshake, requests, and replies brought to the sequences they are about.

The connection is the lease: when it ends, whatever was held is free, and what was sealed stays.
"""

import os
import time

from ..errors import Incompatible, Stalled, Unavailable, Violated
from . import channel as channels
from . import worker_pb2 as wire
from .arenas import ArenaTable

MIN_VERSION = 2
# Version 3 has arenas in CUDA memory.
MAX_VERSION = 3 if "memory" in wire.Arena.DESCRIPTOR.fields_by_name else 2
BLOCK_ID_RULE = 1


def default_socket():
    """Where the daemon listens unless told otherwise: `TIERD_SOCKET`, else as docs/operations.md says."""
    told = os.environ.get("TIERD_SOCKET")
    if told:
        return told
    base = os.environ.get("XDG_RUNTIME_DIR", "")
    if os.geteuid() != 0 and base.startswith("/"):
        private = os.path.join(base, "tierd", "worker.sock")
        if os.path.exists(private):
            return private
    return "/run/tierd/worker.sock"


class Session:
    """One connection's worth of the worker protocol. Not thread-safe.

    Raises `Unavailable` where no daemon is to be had, `Incompatible` where it speaks another protocol.
    """

    def __init__(self, path=None, name="tierd-python", timeout_s=5.0, trusted_uids=()):
        self.path = path or default_socket()
        self.timeout_s = timeout_s
        self.arenas = ArenaTable()
        self._sequences = {}
        self._next_number = 1
        self._answers = []
        self._channel = channels.connect(self.path, timeout_s, trusted_uids)
        try:
            self._greet(name)
        except BaseException:
            self._channel.close()
            raise

    def _greet(self, name):
        frame = wire.ClientFrame()
        frame.hello.min_version, frame.hello.max_version = MIN_VERSION, MAX_VERSION
        printable = "".join(c for c in name if c.isprintable())
        frame.hello.client_name = printable.encode()[:64].decode(errors="ignore")
        self._channel.send(frame.SerializeToString())
        answer = self._receive(self.timeout_s)
        if answer is None:
            raise Unavailable(f"the daemon at {self.path} did not answer in {self.timeout_s} s")
        if answer.WhichOneof("body") != "welcome":
            raise Violated("the daemon's first frame is no welcome")
        welcome = answer.welcome
        if not MIN_VERSION <= welcome.version <= MAX_VERSION:
            raise Incompatible(f"the daemon chose version {welcome.version} of the protocol, which was not offered")
        if welcome.block_id_rule != BLOCK_ID_RULE:
            raise Incompatible(f"the daemon's block ids follow rule {welcome.block_id_rule}, not {BLOCK_ID_RULE}")
        self.version = welcome.version
        self.store_instance = bytes(welcome.store_instance)
        self.blocks_per_request = welcome.max_blocks_per_request

    def close(self):
        """Ends the session and with it every lease and staged block. Idempotent."""
        self._channel.close()
        self._sequences.clear()
        # Maps go with the tensors that lie in them.
        self.arenas = ArenaTable()

    @property
    def is_closed(self):
        return self._channel.is_closed

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def register(self, sequence):
        """A number for a sequence of this session, and its replies from now on."""
        number = self._next_number
        self._next_number += 1
        self._sequences[number] = sequence
        return number

    def unregister(self, number):
        self._sequences.pop(number, None)

    def send(self, **body):
        """Sends one request: the name of the body's field and its message."""
        if self.is_closed:
            raise Unavailable("the session with the daemon has ended")
        if not self._channel.send(wire.ClientFrame(**body).SerializeToString()):
            self._learn_why()

    def pump(self, timeout_s):
        """Handles one frame, waiting for it so long at most. Whether one came."""
        frame = self._receive(timeout_s)
        if frame is None:
            return False
        self._dispatch(frame)
        return True

    def wait(self, is_done, what, timeout_s):
        """Handles replies until `is_done()`. Raises `Unavailable` where none comes for the time limit."""
        while self.pump(0):
            if is_done():
                return
        last = time.monotonic()
        while not is_done():
            left = timeout_s - (time.monotonic() - last)
            if left <= 0:
                raise Stalled(
                    f"the daemon sent nothing for {timeout_s:g} s while {what} was awaited: see `tierctl status`"
                )
            if self.pump(min(left, 1.0)):
                last = time.monotonic()

    def statistics(self):
        """The daemon's counters: a `worker_pb2.Statistics`."""
        self.send(statistics_query=wire.StatisticsQuery())
        self.wait(lambda: self._answers, "the statistics", self.timeout_s)
        return self._answers.pop()

    def _receive(self, timeout_s):
        received = self._channel.receive(timeout_s)
        if received is None:
            return None
        data, descriptors = received
        try:
            frame = wire.ServerFrame()
            try:
                frame.ParseFromString(data)
            except Exception as error:
                raise Violated("the daemon sent a frame that is no message of the protocol") from error
            body = frame.WhichOneof("body")
            if descriptors and body != "arenas":
                raise Violated(f"descriptors came with a frame that has none ({body})")
            if body == "arenas":
                self.arenas.add(frame.arenas.arenas, descriptors)
            elif body == "failure":
                kind = Incompatible if frame.failure.kind == wire.Failure.INCOMPATIBLE else Unavailable
                if frame.failure.kind == wire.Failure.MALFORMED:
                    kind = Violated
                raise kind(f"the daemon ended the session: {frame.failure.message}")
            elif body == "violated":
                raise Violated(f"the daemon ended the session: {frame.violated.text or _violation(frame.violated)}")
            return frame
        finally:
            channels.close_all(descriptors)

    def _dispatch(self, frame):
        body = frame.WhichOneof("body")
        message = getattr(frame, body) if body else None
        if body == "arenas":
            return
        if body == "statistics":
            self._answers.append(message)
            return
        sequence = self._sequences.get(getattr(message, "sequence", 0))
        if sequence is None:
            raise Violated(f"the daemon sent an answer ({body}) that belongs to no request")
        sequence.handle(body, message)

    def _learn_why(self):
        while self._receive(0) is not None:
            pass
        raise Unavailable("the daemon closed the connection: it stopped, or restarts")


def _violation(violated):
    return f"{wire.Violated.Kind.Name(violated.kind)}, layer {violated.layer}, block {violated.first}"
