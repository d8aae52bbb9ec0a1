"""What can go wrong, each by a name of its own. Every message says what happened, to what, and what to do."""


class TierdError(RuntimeError):
    """The base of everything this package raises on its own account."""


class Unavailable(TierdError):
    """The daemon is not there, went away, or does not answer in time."""


class Stalled(Unavailable):
    """The daemon is there, and nothing came from it for longer than was to be waited."""


class Incompatible(TierdError):
    """The daemon speaks no version of the protocol, or no rule of block ids, that this package knows."""


class Violated(TierdError):
    """The daemon ended the session because a request broke a rule, or sent what the protocol does not allow."""


class Refused(TierdError):
    """The daemon cannot run the sequence: the message has the figures that would let it."""


class BlocksLost(TierdError):
    """The daemon no longer has KV blocks that are needed, and nobody here can compute them again."""


class Unsupported(TierdError, ValueError):
    """A model, a mask or an argument that would be computed wrongly: refused before anything is computed."""
