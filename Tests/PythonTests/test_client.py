"""The client by itself: blocks written, sealed, leased and read, through tensors over the daemon's memory."""

import unittest

import torch

import tierd
from support import Daemon

LAYOUT = tierd.Layout(torch.float32, kv_heads=2, head_dim=16, block_tokens=32)
PLAN = tierd.Plan(LAYOUT, layers=6, chunk_blocks=2, total_blocks=64, staging_slots=5, ring_slots=4)
LIMITS = tierd.Limits(stall_s=20, admission_s=20)
TOKENS = list(range(64 * 32))


def content(layer, block):
    generator = torch.Generator().manual_seed(1000 * layer + block)
    return torch.randn(2, 2, 32, 16, generator=generator)


class Client(unittest.TestCase):
    def setUp(self):
        self.daemon = Daemon("emulated", "1MiB", "1MiB")
        self.addCleanup(self.daemon.close)

    def open(self, fingerprint=bytes(32)):
        session = tierd.Session(self.daemon.socket)
        self.addCleanup(session.close)
        sequence = tierd.Sequence(session, PLAN, LIMITS)
        sequence.extend(tierd.BlockChain(fingerprint, LAYOUT).ids(TOKENS))
        return session, sequence

    def write(self, sequence):
        for first in range(0, 64, 2):
            for layer in range(PLAN.layers):
                slots = sequence.reserve(layer, first, 2)
                for i, slot in enumerate(slots):
                    if slot is not None:
                        slot.copy_(content(layer, first + i))
                        sequence.seal(layer, first + i, 1)
        sequence.settle()

    def read(self, sequence, chunk=32):
        seen = []
        for layer in range(PLAN.layers):
            leases = sequence.acquire(layer, range(64), chunk)
            while leases.ready or leases.waiting:
                if not leases.ready:
                    sequence.await_lease(leases)
                    continue
                block, place, generation = leases.ready.popleft()
                arena, index = sequence.arena_of(place)
                equal = torch.equal(arena.blocks(LAYOUT)[index], content(layer, block))
                self.assertEqual(sequence.generations_of(place)[index], generation)
                sequence.release(layer, [block])
                self.assertTrue(equal, f"block {block} of layer {layer}")
                seen.append((layer, block))
            self.assertEqual(leases.lost, [])
        self.assertEqual(len(seen), 64 * PLAN.layers)

    def test_what_was_written_is_read_from_three_tiers(self):
        session, sequence = self.open()
        self.write(sequence)
        self.read(sequence)
        statistics = session.statistics()
        self.assertGreater(statistics.disk_to_host.blocks, 0)
        self.assertLessEqual(statistics.device.peak_bytes, 1 << 20)
        sequence.close()

    def test_another_session_finds_the_same_blocks_and_no_other_model_does(self):
        _, sequence = self.open()
        self.write(sequence)
        sequence.close()
        _, second = self.open()
        self.assertEqual(second.cached_blocks, 64)
        self.assertEqual(second.reserve(0, 0, 2), [None, None])
        self.read(second)
        _, stranger = self.open(fingerprint=bytes(31) + b"\1")
        self.assertEqual(stranger.cached_blocks, 0)

    def test_sealed_memory_cannot_be_written_to(self):
        _, sequence = self.open()
        self.write(sequence)
        leases = sequence.acquire(0, [0], 1)
        sequence.await_lease(leases)
        arena, index = sequence.arena_of(leases.ready[0][1])
        address = arena.blocks(LAYOUT)[index].data_ptr()
        with open("/proc/self/maps") as file:
            for line in file:
                start, end = (int(part, 16) for part in line.split()[0].split("-"))
                if start <= address < end:
                    self.assertEqual(line.split()[1], "r--s")
                    return
        self.fail("the slot is in no map")

    def test_a_rule_that_is_broken_ends_the_session_by_name(self):
        session, sequence = self.open()
        with self.assertRaisesRegex(tierd.Violated, "(?i)reserved"):
            sequence.seal(0, 0, 1)
            sequence.settle()
        session.close()
        with self.assertRaises(tierd.Unavailable):
            session.statistics()


if __name__ == "__main__":
    unittest.main()
