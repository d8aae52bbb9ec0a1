"""Attention in parts against attention at once."""

import math
import random
import unittest

import torch

from tierd.layer_step import _attend_own
from tierd.partial import Accumulator, attend, attend_each
from tierd.past import attend_keys
from tierd.reach import CHUNKED, FULL, SLIDING, Reach


def dense(query, key, value, positions, reach, scale, softcap=None, sinks=None):
    """f64, all scores at once. query [KV heads, group, queries, dim], key and value of all keys from 0."""
    scores = query.double() @ key.double()[:, None].transpose(-1, -2) * scale
    if softcap is not None:
        scores = softcap * torch.tanh(scores / softcap)
    for i, q in enumerate(positions):
        for k in range(key.shape[1]):
            if not (k <= q and reach.first_key(q) <= k):
                scores[:, :, i, k] = -math.inf
    if sinks is not None:
        extra = sinks.double().view(*query.shape[:2], 1, 1).expand(-1, -1, len(positions), 1)
        return torch.softmax(torch.cat([scores, extra], -1), -1)[..., :-1] @ value.double()[:, None]
    return torch.softmax(scores, -1) @ value.double()[:, None]


class Reaches(unittest.TestCase):
    def test_what_is_seen_is_what_the_definition_says(self):
        for reach in (Reach(FULL), Reach(SLIDING, 1), Reach(SLIDING, 7), Reach(SLIDING, 40), Reach(CHUNKED, 8)):
            for start in range(0, 50, 3):
                keys = range(start, start + 5)
                queries = range(20, 45)
                seen = [[k <= q and k >= reach.first_key(q) for k in keys] for q in queries]
                with self.subTest(reach=reach.name, keys=keys):
                    self.assertEqual(list(reach.sees_all(queries, keys)), [q for q, s in zip(queries, seen) if all(s)])
                    self.assertEqual(list(reach.sees_any(queries, keys)), [q for q, s in zip(queries, seen) if any(s)])


class Parts(unittest.TestCase):
    def test_any_cut_of_the_keys_gives_the_whole(self):
        torch.manual_seed(1)
        choose = random.Random(1)
        for case in range(60):
            reach = choose.choice([Reach(FULL), Reach(SLIDING, choose.randint(1, 30)), Reach(CHUNKED, choose.randint(1, 30))])
            softcap = choose.choice([None, None, 3.0])
            start, count = choose.randint(0, 40), choose.randint(1, 20)
            positions = range(start, start + count)
            query = torch.randn(2, 3, count, 16)
            key, value = torch.randn(2, start + count, 16), torch.randn(2, start + count, 16)
            accumulator = Accumulator(2, 3, count, 16, "cpu")
            cuts = sorted({0, start + count, *(choose.randint(0, start + count) for _ in range(4))})
            pieces = [range(a, b) for a, b in zip(cuts, cuts[1:])]
            choose.shuffle(pieces)
            for keys in pieces:
                part = slice(keys.start, keys.stop)
                attend_keys(
                    accumulator, query, positions, key[:, part], value[:, part], keys, reach, 0.3, softcap
                )
            sinks = choose.choice([None, torch.randn(6)])
            if sinks is not None:
                accumulator.sink(sinks.view(2, 3))
            whole = dense(query, key, value, positions, reach, 0.3, softcap, sinks)
            with self.subTest(case=case, reach=reach.name, softcap=softcap):
                torch.testing.assert_close(accumulator.output.double(), whole, atol=1e-5, rtol=0)

    def test_a_mask_one_token_off_is_seen(self):
        torch.manual_seed(2)
        query, key, value = torch.randn(1, 2, 12, 8), torch.randn(1, 12, 8), torch.randn(1, 12, 8)
        accumulator = Accumulator(1, 2, 12, 8, "cpu")
        attend_keys(accumulator, query, range(12), key, value, range(12), Reach(SLIDING, 5), 1.0, None)
        whole = dense(query, key, value, range(12), Reach(SLIDING, 4), 1.0)
        self.assertGreater((accumulator.output - whole).abs().max().item(), 1e-2)

    def test_blocks_each_by_itself_give_the_whole(self):
        torch.manual_seed(3)
        query = torch.randn(2, 3, 1, 16)
        keys, values = torch.randn(5, 2, 7, 16), torch.randn(5, 2, 7, 16)
        joined = [t.transpose(0, 1).reshape(2, 35, 16) for t in (keys, values)]
        for softcap in (None, 2.0):
            output, lse = attend_each(query, keys, values, 0.25, softcap)
            expected, expected_lse = attend(query, *joined, 0.25, softcap=softcap)
            torch.testing.assert_close(output, expected, atol=1e-5, rtol=0)
            torch.testing.assert_close(lse, expected_lse, atol=1e-5, rtol=0)


class _Row:
    """As much of a row as its own tokens' attention asks for."""

    block_tokens = 8

    def __init__(self, length, count, tail):
        self.length, self.count, self._tail = length, count, tail

    def tail(self, layer):
        return self._tail


class Own(unittest.TestCase):
    def test_a_step_longer_than_the_window_sees_no_more_than_it(self):
        torch.manual_seed(4)
        for reach in (Reach(FULL), Reach(SLIDING, 5), Reach(SLIDING, 100), Reach(CHUNKED, 6), Reach(CHUNKED, 100)):
            for length in (0, 3, 5):
                count = 29
                key, value = torch.randn(1, length + count, 8), torch.randn(1, length + count, 8)
                query = torch.randn(1, 2, count, 8)
                tail = torch.stack([key[:, :length], value[:, :length]]) if length else None
                accumulator = Accumulator(1, 2, count, 8, "cpu")
                _attend_own(
                    _Row(length, count, tail), 0, query, key[:, length:], value[:, length:], reach, 0.5, None, accumulator
                )
                whole = dense(query, key, value, range(length, length + count), reach, 0.5)
                with self.subTest(reach=reach.name, length=length):
                    torch.testing.assert_close(accumulator.output.double(), whole, atol=1e-5, rtol=0)


if __name__ == "__main__":
    unittest.main()
