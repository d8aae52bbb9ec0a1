"""A layer of `TieredCache`, as Transformers looks at it."""

from transformers.cache_utils import CacheLayerMixin

from .reach import CHUNKED, FULL, SLIDING


class TieredLayer(CacheLayerMixin):
    """Holds nothing: lengths and sizes of one layer, by its cache."""

    is_compileable = False
    is_croppable = True
    supports_early_init = False

    def __init__(self, cache, index, reach):
        super().__init__()
        self.reach = reach
        self.is_sliding = reach.kind != FULL
        if reach.kind in (SLIDING, CHUNKED):
            self.sliding_window = reach.tokens
        self._cache, self._index = cache, index

    def lazy_initialization(self, key_states, value_states):
        self.is_initialized = True

    def update(self, key_states, value_states, *args, **kwargs):
        return self._cache.update(key_states, value_states, self._index)

    def get_seq_length(self):
        return self._cache.get_seq_length(self._index)

    def get_mask_sizes(self, query_length):
        """(length, offset) of the keys a step of so many queries reads: a window's begin before the first query."""
        length = self.get_seq_length()
        offset = max(length - self.reach.tokens + 1, 0) if self.is_sliding else 0
        return length - offset + query_length, offset

    def get_max_length(self):
        """-1: a row that outgrows its plan is planned anew."""
        return self.reach.tokens if self.is_sliding else -1

    # What it was called in older versions of Transformers.
    get_max_cache_shape = get_max_length
