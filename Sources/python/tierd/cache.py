"""`TieredCache`: a Transformers cache whose K and V are kept by the daemon."""

import copy

import torch
from transformers import Cache

from .blocks import ELEMENTS, Layout
from .errors import BlocksLost, Unavailable, Unsupported
from .fingerprint import fingerprint
from .interface import expect_attention
from .layer import TieredLayer
from .layer_step import attend_row
from .models import layer_reaches
from .recovery import recover
from .row import Row
from .sequence import Limits
from .store import Store


class TieredCache(Cache):
    """The cache of one batch, for a model whose attention is "tierd".

    Args:
        config: the model's. A model that cannot be computed rightly is refused here (`Unsupported`).
        model: gives blocks ids by its weights and their tokens, so that equal prefixes are shared and lost blocks
            computed again. Without it, blocks are this cache's alone.
        socket: the daemon's worker socket; by default `TIERD_SOCKET`, else where tierd listens by default.
        max_length: tokens a row is planned for; more are possible, at the cost of planning again.
        chunk_tokens: tokens of a prefill chunk at most, rounded to blocks: what is staged at once.
        block_tokens: tokens of a block.
        ring_slots: slots of the compute tier that blocks stream through.
        reconnect_s: how long a daemon that went away is waited for.
        stall_s, admission_s: how long nothing may come from the daemon while blocks, or admission, are awaited.
        trusted_uids: users a daemon may run as besides root and this process's own.

    Use it in a `with` statement, or `close` it: what it holds in the daemon goes then, or with the process.
    """

    def __init__(
        self,
        config,
        model=None,
        *,
        socket=None,
        max_length=None,
        chunk_tokens=1024,
        block_tokens=256,
        ring_slots=8,
        reconnect_s=30.0,
        stall_s=60.0,
        admission_s=600.0,
        trusted_uids=(),
    ):
        config = config.get_text_config(decoder=True)
        reaches = layer_reaches(config)
        super().__init__(layers=[TieredLayer(self, i, reach) for i, reach in enumerate(reaches)])
        if block_tokens < 1 or chunk_tokens < 1:
            raise ValueError("a block and a chunk have at least one token")
        self.block_tokens = block_tokens
        self.max_length = max_length or getattr(config, "max_position_embeddings", None) or 8192
        self.model = model
        self.rows = None
        self.is_repair = False
        self.repaired_tokens = 0
        self._scales_by_column = bool(getattr(config, "attn_temperature_tuning", False))
        chunk_tokens = -(-chunk_tokens // block_tokens) * block_tokens
        self._store = Store(
            socket, len(reaches), reaches, ring_slots, chunk_tokens, Limits(stall_s, admission_s), reconnect_s, trusted_uids
        )
        self._columns = 0
        self._tokens = 0
        self._next_layer = 0
        self._planned = None
        self._fingerprint = None

    # ---- what Transformers asks -------------------------------------------------------------------------------------

    # A compiler that looked into these would compile the model anew for each length.

    @torch.compiler.disable
    def update(self, key_states, value_states, layer_idx, *args, **kwargs):
        """Takes note of a layer's new K and V and returns them: the attention that follows does the rest."""
        expect_attention(self, layer_idx)
        return key_states, value_states

    @torch.compiler.disable
    def get_seq_length(self, layer_idx=0):
        """Tokens so far of a row, its padding included. Those of a forward count once it is through."""
        return self._columns + (self._tokens if self._next_layer == len(self.layers) else 0)

    @torch.compiler.disable
    def get_query_offset(self, layer_idx=0):
        return self.get_seq_length(layer_idx)

    @torch.compiler.disable
    def get_mask_sizes(self, query_length, layer_idx):
        """(length, offset) of the keys a step of so many queries reads."""
        return self.layers[layer_idx].get_mask_sizes(query_length)

    def reset(self):
        """Forgets everything. Blocks stay in the daemon, as far as there is room, for whoever names them."""
        self._close_rows()
        self._columns = self._tokens = self._next_layer = 0
        self._planned = None

    def crop(self, tokens_to_remove):
        """Forgets tokens at the end: -n as many; a positive number is the length that is left (the older meaning).

        Raises `BlocksLost` where a sliding or chunked layer has let go what came before, as it may.
        """
        self._finish_step()
        length = self._columns + tokens_to_remove if tokens_to_remove <= 0 else tokens_to_remove
        removed = self._columns - length
        if removed <= 0:
            return
        for row in self.rows or ():
            row.crop(max(0, row.length - removed), len(self.layers))
        self._columns = max(0, length)

    def reorder_cache(self, beam_idx):
        self._select(beam_idx.tolist())

    def batch_select_indices(self, indices):
        if indices.dtype == torch.bool:
            indices = indices.nonzero().view(-1)
        self._select(indices.tolist())

    def batch_repeat_interleave(self, repeats):
        self._select([i for i in range(len(self.rows or ())) for _ in range(repeats)])

    @property
    def is_compileable(self):
        return False

    @property
    def batch_size(self):
        return len(self.rows) if self.rows else -1

    def __len__(self):
        return len(self.layers)

    # ---- steps ------------------------------------------------------------------------------------------------------

    def prepare(self, batch_size):
        """As many rows as the batch has. Raises `Unsupported` where the cache has another number already."""
        if self.rows is None:
            if self.model is not None and self._fingerprint is None:
                self._fingerprint = fingerprint(self.model)
            self._store.batch = batch_size
            self.rows = [Row(self._store, self._fingerprint, self.max_length) for _ in range(batch_size)]
        if len(self.rows) != batch_size:
            raise Unsupported(f"the cache holds a batch of {len(self.rows)}, this one is of {batch_size}")
        return self.rows

    def describe(self, dtype, kv_heads, head_dim):
        """The shape of a layer's K and V, the same for all."""
        if dtype not in ELEMENTS:
            raise Unsupported(f"KV of {dtype} is not possible: float32, bfloat16 and float16 are")
        layout = Layout(dtype, kv_heads, head_dim, self.block_tokens)
        if self._store.layout is None:
            self._store.layout = layout
        elif self._store.layout != layout:
            raise Unsupported("the model's layers, or its calls, have KV of different shapes or types")

    @property
    def session(self):
        """The session with the daemon (`tierd.Session`): statistics, for one."""
        return self._store.session

    def plan_step(self, counts, columns):
        """The next forward has so many tokens of each row, its last; `columns` come before it, padding included."""
        self._planned = list(counts)
        self._columns, self._tokens, self._next_layer = columns, 0, 0

    def unplan(self):
        """No step is planned any more: the next forward says itself what it has of each row."""
        self._planned = None

    def plan_chunks(self, tokens):
        """Steps have so many tokens at most from now on. Only before the first."""
        if self.rows is None:
            self._store.chunk_tokens = -(-tokens // self.block_tokens) * self.block_tokens

    @property
    def layout(self):
        return self._store.layout

    def go_on(self, row, tokens):
        """Makes `tokens` the row's; skips what the daemon has, where the row is new.

        Raises `Unsupported` where the row holds other tokens than these begin with.
        """
        if row.tokens is None:
            raise Unsupported("the cache holds tokens that it was not told: it cannot go on with a prompt")
        if row.tokens[: row.length] != tokens[: row.length] or len(tokens) <= row.length:
            raise Unsupported("the prompt does not begin with what the cache holds: use another cache, or crop or reset it")
        row.announce(tokens[row.length :])
        if not row.length:
            size = self.block_tokens
            row.skip_to(min(row.cached_tokens(), (len(tokens) - 1) // size * size))

    def observe(self, input_ids, attention_mask, position_ids):
        """The next forward is of these tokens."""
        if self.rows is None or input_ids is None or len(input_ids) != len(self.rows):
            return
        self._finish_step()
        width = input_ids.shape[1]
        for i, row in enumerate(self.rows):
            count = width if attention_mask is None else int(attention_mask[i, -width:].sum())
            last = self._columns + width - 1 if position_ids is None else int(position_ids[i % len(position_ids), -1])
            if last == row.length + count - 1:
                row.announce(input_ids[i, width - count :].tolist())
            else:
                # Turned by other positions than the tokens' own: not the blocks of these tokens.
                row.make_private()

    def column_offset(self, row):
        """Columns of padding before a row's first token."""
        return self._columns + self._tokens - row.count - row.length

    def repairing(self, row):
        """The same cache for one row, of which tokens are read again: a loss there is for this one to handle."""
        view = copy.copy(self)
        view.layers = [TieredLayer(view, i, layer.reach) for i, layer in enumerate(self.layers)]
        view.rows, view.is_repair = [row], True
        return view

    def attend(self, layer, query, key, value, description, scale, softcap, sinks):
        """One layer of one step, for the whole batch: [batch, tokens, heads, head dim] in the query's type."""
        batch, _, tokens, dim = query.shape
        if key.shape[2] != tokens or value.shape != key.shape or key.shape[-1] != dim:
            raise Unsupported("the model's K and V are of a shape (shared, latent or cross-attention) that is not possible")
        if layer == 0:
            self._begin(batch, tokens, key, description)
        elif layer != self._next_layer:
            raise Unsupported(f"layer {layer} follows layer {self._next_layer - 1}: the model skips or shares layers")
        self.describe(key.dtype, key.shape[1], dim)
        if description.reach != self._store.reach[layer]:
            raise Unsupported(
                f"layer {layer} is computed with a {description.reach.name} mask, its configuration says "
                f"{self._store.reach[layer].name}"
            )
        output = query.new_zeros(batch, tokens, query.shape[1], dim)
        try:
            for i, row in enumerate(self.rows):
                if row.count:
                    part = slice(tokens - row.count, None)
                    attended = attend_row(
                        row, layer, query[i, :, part], key[i, :, part], value[i, :, part], scale, softcap, sinks,
                        lambda error, row=row: recover(self, row, error),
                    )
                    output[i, part] = attended.transpose(0, 1)
        except BlocksLost:
            # All that was asked for was answered, and nothing is held.
            raise
        except BaseException:
            # In the middle of anything: the connection is the lease, so its end lets everything go.
            self.hang_up()
            raise
        self._next_layer = layer + 1
        if self._next_layer == len(self.layers):
            for row in self.rows:
                row.commit()
        return output

    def _begin(self, batch, tokens, key, description):
        if self._next_layer == len(self.layers):
            self._finish_step()
        self._next_layer = 0
        self.describe(key.dtype, key.shape[1], key.shape[3])
        self.prepare(batch)
        counts, self._planned = self._planned, None
        if counts is None:
            counts = description.counts or [tokens] * batch
        self._tokens = tokens
        for row, count in zip(self.rows, counts):
            if not 0 <= count <= tokens:
                raise Unsupported(f"a step of {count} tokens in {tokens} columns")
            row.count = count
            if self._scales_by_column and self.column_offset(row):
                # The model scales by the column: K and V depend on the padding.
                row.make_private()
            try:
                row.begin(count)
            except Unavailable as error:
                recover(self, row, error)

    def _finish_step(self):
        if self._next_layer == len(self.layers):
            self._columns += self._tokens
        self._tokens = self._next_layer = 0

    def _select(self, indices):
        self._finish_step()
        if self.rows is None or indices == list(range(len(self.rows))):
            return
        old, used, rows = self.rows, set(), []
        for index in indices:
            rows.append(old[index].fork() if index in used else old[index])
            used.add(index)
        self._store.batch = len(rows)
        for index, row in enumerate(old):
            if index not in used:
                row.close()
        self.rows = rows

    # ---- the end ----------------------------------------------------------------------------------------------------

    def _close_rows(self):
        for row in self.rows or ():
            row.close()
        self.rows = None

    def hang_up(self):
        """Ends the session at once, with whatever is asked for or held. The next step opens the sequences anew."""
        for row in self.rows or ():
            row.forget_sequence()
        self._store.hang_up()

    def close(self):
        """Ends the session with the daemon. What was sealed stays there, as far as there is room. Idempotent."""
        self._close_rows()
        self._store.hang_up()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
