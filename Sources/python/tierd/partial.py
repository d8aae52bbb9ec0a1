"""Attention over some of the keys, with its log-sum-exp, so that partial results merge exactly.

The identity: for keys in two sets with outputs o1, o2 and log-sum-exps l1, l2, the output over both is
(o1 e^l1 + o2 e^l2) / (e^l1 + e^l2), and its log-sum-exp log(e^l1 + e^l2). Merging is in f32.

Shapes, throughout: queries [KV heads, group, queries, head dim], where `group` query heads share a KV head; keys and values
[KV heads, keys, head dim]; log-sum-exps f32 [KV heads, group, queries]. Heads are never repeated in memory.
"""

import math

import torch

_flash_cpu = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
_flash_cuda = torch.ops.aten._scaled_dot_product_flash_attention
_efficient_cuda = torch.ops.aten._scaled_dot_product_efficient_attention
_PLAIN_SCORE_BYTES = 16 << 20


def causal_bias(queries, keys, reach, device):
    """f32 [queries, keys]: 0 where the query at the position sees the key, else -inf."""
    q = torch.arange(queries.start, queries.stop, device=device)[:, None]
    k = torch.arange(keys.start, keys.stop, device=device)[None, :]
    visible = k <= q
    if reach.kind == 1:
        visible &= k > q - reach.tokens
    elif reach.kind == 2:
        visible &= torch.div(k, reach.tokens, rounding_mode="floor") == torch.div(
            q, reach.tokens, rounding_mode="floor"
        )
    return torch.zeros(visible.shape, device=device).masked_fill_(~visible, -math.inf)


def attend(query, key, value, scale, bias=None, is_causal=False, softcap=None):
    """(output, log-sum-exp) of `query` over these keys; each query sees at least one of them.

    bias: f32 [queries, keys], added to the scores. is_causal: as many queries as keys, each seeing the keys up to its own.
    """
    if softcap is not None or not _has_fused(query, bias):
        if is_causal:
            rows = query.shape[2]
            bias = torch.full((rows, rows), -math.inf, device=query.device).triu_(1)
        return _plain(query, key, value, scale, bias, softcap)
    if bias is None and not is_causal:
        # Every query of a group sees the same keys: they are rows of one product.
        heads, group, rows, dim = query.shape
        output, lse = _fused(query.reshape(1, heads, group * rows, dim), key[None], value[None], scale, None, False)
        return output.view(heads, group, rows, -1), lse.view(heads, group, rows)
    shape = (query.shape[0], query.shape[1], *key.shape[1:])
    return _fused(query, key[:, None].expand(shape), value[:, None].expand(shape), scale, bias, is_causal)


def attend_each(query, keys, values, scale, softcap=None):
    """One partial a block, merged: keys and values [blocks, KV heads, keys, head dim], all seen by each query."""
    blocks, heads, size, dim = keys.shape
    group, rows = query.shape[1:3]
    flat = query.reshape(1, heads, group * rows, dim)
    if softcap is not None or not _has_fused(query, None):
        joined = [t.transpose(0, 1).reshape(heads, blocks * size, dim) for t in (keys, values)]
        return _plain(query, *joined, scale, None, softcap)
    output, lse = _fused(flat.expand(blocks, -1, -1, -1), keys, values, scale, None, False)
    total = torch.logsumexp(lse, 0)
    merged = (output.float() * (lse - total).exp_()[..., None]).sum(0)
    return merged.view(heads, group, rows, dim), total.view(heads, group, rows)


def _has_fused(query, bias):
    if query.device.type == "cpu":
        return True
    return query.device.type == "cuda" and bias is None and query.shape[-1] % 8 == 0 and query.shape[-1] <= 256


def _fused(query, key, value, scale, bias, is_causal):
    """[batch, heads, queries, head dim] of each; keys may have stride 0."""
    if query.device.type == "cpu":
        if bias is not None:
            bias = bias.to(query.dtype)[None, None]
        return _flash_cpu(query, key, value, 0.0, is_causal, attn_mask=bias, scale=scale)
    if query.dtype == torch.float32:
        output, lse = _efficient_cuda(query, key, value, None, True, 0.0, is_causal, scale=scale)[:2]
        return output, lse[..., : query.shape[2]]
    output, lse = _flash_cuda(query, key, value, 0.0, is_causal, False, scale=scale)[:2]
    return output, lse[..., : query.shape[2]]


def _plain(query, key, value, scale, bias, softcap):
    """The same by ordinary products, in f32, a bounded piece of the scores at a time."""
    heads, group, rows, _ = query.shape
    step = max(1, _PLAIN_SCORE_BYTES // (4 * heads * group * key.shape[1]))
    key, value = key.float()[:, None], value.float()[:, None]
    output = torch.empty(heads, group, rows, value.shape[-1], device=query.device)
    lse = torch.empty(heads, group, rows, device=query.device)
    for start in range(0, rows, step):
        part = slice(start, start + step)
        scores = torch.matmul(query[:, :, part].float(), key.transpose(-1, -2)).mul_(scale)
        if softcap is not None:
            scores = scores.div_(softcap).tanh_().mul_(softcap)
        if bias is not None:
            scores += bias[part]
        lse[:, :, part] = torch.logsumexp(scores, -1)
        output[:, :, part] = torch.matmul((scores - lse[:, :, part, None]).exp_(), value)
    return output, lse


class Accumulator:
    """The partials so far, for `rows` queries. Empty at first."""

    def __init__(self, heads, group, rows, dim, device):
        self.output = torch.zeros(heads, group, rows, dim, device=device)
        self.lse = torch.full((heads, group, rows), -math.inf, device=device)

    def merge(self, output, lse, part=slice(None)):
        """Merges a partial of the queries in `part`. Each of its log-sum-exps is finite."""
        if output.dtype != torch.float32:
            output = output.float()
        total = torch.logaddexp(self.lse[:, :, part], lse)
        mine = self.output[:, :, part]
        mine.mul_((self.lse[:, :, part] - total).exp_()[..., None])
        mine.addcmul_(output, (lse - total).exp_()[..., None])
        self.lse[:, :, part] = total

    def sink(self, logits):
        """Adds a key of no value with these logits, one a query head: [KV heads, group]."""
        total = torch.logaddexp(self.lse, logits.float()[..., None])
        self.output.mul_((self.lse - total).exp_()[..., None])
