"""One layer of one step of one row: new K and V are handed over, then attention over all there is."""

from .errors import BlocksLost, Unavailable
from .partial import Accumulator, attend
from .past import PastAttention, attend_keys
from .reach import CHUNKED


def attend_row(row, layer, query, key, value, scale, softcap, sinks, recover):
    """The attention's output, f32 [query heads, tokens, head dimension].

    query [query heads, tokens, head dim], key and value [KV heads, tokens, head dim]: of the step's tokens alone.
    recover(error): called where the daemon lost what is needed, or is gone; raises where that is the end.
    """
    heads, count, dim = key.shape
    query = query.reshape(heads, -1, count, dim)
    reach = row.store.reach[layer]
    accumulator = Accumulator(heads, query.shape[1], count, dim, query.device)
    past = PastAttention(row, layer, query, reach, scale, softcap, accumulator)
    is_written = is_local_done = False
    while True:
        try:
            if not is_written:
                row.write(layer, key, value)
                is_written = True
            past.ask()
            if not is_local_done:
                # What is here already is computed while the past is on its way.
                is_local_done = True
                _attend_own(row, layer, query, key, value, reach, scale, softcap, accumulator)
            past.run()
            break
        except (BlocksLost, Unavailable) as error:
            recover(error)
    if sinks is not None:
        accumulator.sink(sinks.view(heads, -1))
    return accumulator.output.view(-1, count, dim)


def _attend_own(row, layer, query, key, value, reach, scale, softcap, accumulator):
    """The step's own tokens, and those before them in the block that is not full yet."""
    start, count = row.length, row.count
    positions = range(start, start + count)
    if count == 1 and (start + 1) % row.block_tokens:
        both = row.with_tail(layer)
        keys = range(start + 1 - both.shape[2], start + 1)
        _attend_seen(accumulator, query, positions, both[0], both[1], keys, reach, scale, softcap)
        return
    for segment in _segments(positions, reach):
        part = slice(segment.start - start, segment.stop - start)
        own_key, own_value = key[:, part], value[:, part]
        if reach.last_query(segment.start) >= segment.stop - 1:
            output = attend(query[:, :, part], own_key, own_value, scale, is_causal=True, softcap=softcap)
            accumulator.merge(*output, part)
            continue
        size = row.block_tokens
        for first in range(segment.start, segment.stop, size):
            keys = range(first, min(first + size, segment.stop))
            own = slice(keys.start - start, keys.stop - start)
            attend_keys(
                accumulator, query, positions, key[:, own], value[:, own], keys, reach, scale, softcap
            )
    tail = row.tail(layer)
    if tail is not None:
        keys = range(start - tail.shape[2], start)
        _attend_seen(accumulator, query, positions, tail[0], tail[1], keys, reach, scale, softcap)


def _attend_seen(accumulator, query, positions, key, value, keys, reach, scale, softcap):
    """Of these keys, those that some query sees."""
    first = max(keys.start, reach.first_key(positions.start))
    if first < keys.stop:
        seen = slice(first - keys.start, None)
        attend_keys(
            accumulator, query, positions, key[:, seen], value[:, seen], range(first, keys.stop), reach, scale, softcap
        )


def _segments(positions, reach):
    """Runs of tokens that do not read each other are apart."""
    if reach.kind != CHUNKED:
        return [positions]
    segments, start = [], positions.start
    while start < positions.stop:
        stop = min(positions.stop, reach.last_query(start) + 1)
        segments.append(range(start, stop))
        start = stop
    return segments
