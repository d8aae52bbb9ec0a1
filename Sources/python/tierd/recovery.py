"""What happens when blocks are gone: they are computed again from their tokens, where those are known.

One way for all causes (a record that did not verify, a disk that was full, a daemon that was killed): the row's sequence is
opened anew, the daemon says how much it still has, and what follows is read again. This iterates and never recurses: a
forward that repairs and meets a loss itself gives up, and the repair begins again from what is held then.
"""

import torch

from .errors import BlocksLost, Stalled, TierdError, Unavailable
from .models import cache_argument

MAX_ATTEMPTS = 16


def recover(cache, row, error):
    """Has the daemon hold the row's full blocks again. Raises where that cannot be had: at once where the daemon answers
    nothing, or does not come back in time."""
    if cache.is_repair or isinstance(error, Stalled):
        raise error
    row.recoveries += 1
    if row.recoveries > MAX_ATTEMPTS:
        raise error
    store, last = cache._store, error
    for _ in range(MAX_ATTEMPTS):
        if isinstance(last, Unavailable) or not store.is_connected:
            cache.hang_up()
            store.reconnect()
        try:
            return _repair(cache, row, last)
        except Stalled:
            raise
        except (BlocksLost, Unavailable) as again:
            last = again
    raise last


def _repair(cache, row, error):
    row.reopen()
    full = row.length // row.block_tokens
    held = min(row.sequence.cached_blocks, full)
    if held == full:
        return
    if row.tokens is None or cache.model is None:
        raise TierdError(
            f"{full - held} of {full} KV blocks were lost by the daemon, and they are not blocks of known tokens: "
            "use tierd.generate, or give TieredCache the model, and they are computed again"
        ) from error
    _read_again(cache, row, held * row.block_tokens, full * row.block_tokens)


def _read_again(cache, row, start, stop):
    """Computes these tokens' blocks in all layers, a chunk at a time, by forwards of their own."""
    model, offset = cache.model, cache.column_offset(row)
    view = cache.repairing(row.repairing(start))
    device = next(model.parameters()).device
    position = start
    with torch.no_grad():
        while position < stop:
            end = min(stop, position + cache._store.chunk_tokens)
            view.plan_step([end - position], position + offset)
            tokens = torch.tensor([row.tokens[position:end]], device=device)
            positions = torch.arange(position, end, device=device)[None]
            inputs = {"input_ids": tokens, "position_ids": positions, cache_argument(model): view}
            model(use_cache=True, logits_to_keep=1, **inputs)
            cache.repaired_tokens += end - position
            position = end
    row.sequence.settle()
