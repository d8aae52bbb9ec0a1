"""How far back a layer's tokens read, and which queries see which keys.

For keys in a range, the queries that see *all* of them are one range of positions, and those that see *some* are ranges
beside it. So attention over a run of keys is one call without a mask, and a few with small ones.
"""

from dataclasses import dataclass

FULL, SLIDING, CHUNKED = 0, 1, 2
KINDS = {"full_attention": FULL, "sliding_attention": SLIDING, "chunked_attention": CHUNKED}
_ENDLESS = 1 << 62


@dataclass(frozen=True)
class Reach:
    """`tokens`: the window of a sliding layer (the token itself and those before it), the chunk of a chunked one."""

    kind: int
    tokens: int = 0

    @property
    def name(self):
        return {FULL: "full", SLIDING: f"sliding({self.tokens})", CHUNKED: f"chunked({self.tokens})"}[self.kind]

    def first_key(self, query):
        """The earliest position `query` reads."""
        if self.kind == SLIDING:
            return max(0, query - self.tokens + 1)
        if self.kind == CHUNKED:
            return query // self.tokens * self.tokens
        return 0

    def last_query(self, key):
        """The last position that reads `key`."""
        if self.kind == SLIDING:
            return key + self.tokens - 1
        if self.kind == CHUNKED:
            return (key // self.tokens + 1) * self.tokens - 1
        return _ENDLESS

    def sees_all(self, queries, keys):
        """The part of `queries` (a range) that sees every key of the range `keys`."""
        start = max(queries.start, keys.stop - 1)
        return range(start, max(start, min(queries.stop, self.last_query(keys.start) + 1)))

    def sees_any(self, queries, keys):
        """The part of `queries` that sees at least one key of `keys`."""
        start = max(queries.start, keys.start)
        return range(start, max(start, min(queries.stop, self.last_query(keys.stop - 1) + 1)))
