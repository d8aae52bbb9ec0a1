"""The client against the vectors of docs/protocol.md."""

import os
import re
import socket
import tempfile
import threading
import unittest

import torch

import tierd
from tierd.blocks import BlockChain, Layout
from tierd.wire import worker_pb2 as wire

PAGE = os.path.join(os.path.dirname(__file__), "..", "..", "docs", "protocol.md")


def vectors(heading):
    with open(PAGE) as file:
        table = file.read().split(heading, 1)[1].split("\n\n", 1)[0]
    return dict(re.findall(r"^\| `(\w+)` \| `([0-9a-f]+)` \|", table, re.M))


class FrameVectors(unittest.TestCase):
    def test_requests_are_the_bytes_of_the_page(self):
        ids = bytes(range(32))
        layers = dict(sequence=7, layer=29)
        made = {
            "hello": dict(hello=wire.Hello(min_version=1, max_version=1, client_name="w")),
            "open": dict(open=wire.Open(
                sequence=7, element=1, kv_heads=3, head_dim=64, block_tokens=256, layers=30, chunk_blocks=2,
                total_blocks=24, staging_slots=4, ring_slots=2, ordered=True,
            )),
            "extend": dict(extend=wire.Extend(sequence=7, blocks=ids)),
            "reserve": dict(reserve=wire.BlockRange(sequence=7, count=2)),
            "seal": dict(seal=wire.BlockRange(sequence=7, count=2)),
            "acquire": dict(acquire=wire.Acquire(**layers, count=32, chunk=5)),
            "release": dict(release=wire.BlockRange(**layers, count=32)),
            "close": dict(close=wire.Close(sequence=7)),
            "statistics_query": dict(statistics_query=wire.StatisticsQuery()),
            "trace_query": dict(trace_query=wire.TraceQuery()),
        }
        page = vectors("| toward the daemon | bytes | |")
        for name, body in made.items():
            with self.subTest(name):
                self.assertEqual(wire.ClientFrame(**body).SerializeToString().hex(), page[name])

    def test_replies_are_read_as_the_page_says(self):
        page = vectors("| toward the worker | bytes | |")
        self.assertGreaterEqual(len(page), 16)
        frames = {name: wire.ServerFrame.FromString(bytes.fromhex(text)) for name, text in page.items()}
        for name, frame in frames.items():
            self.assertEqual(frame.WhichOneof("body"), name)
        acquired = frames["acquired"].acquired
        self.assertEqual(list(acquired.slots), [1 << 32 | 5, 1 << 32 | 6])
        self.assertEqual(list(acquired.generations), [9, 1])
        self.assertEqual([(word >> 2, word & 3) for word in acquired.runs], [(2, 1), (1, 2), (1, 3)])
        self.assertEqual(frames["refused"].refused.needed_bytes, 4096)


class IdVectors(unittest.TestCase):
    def test_ids_are_those_of_the_page(self):
        chain = BlockChain(bytes(range(32)), Layout(torch.bfloat16, kv_heads=3, head_dim=64, block_tokens=4))
        ids = chain.ids([1, 2, 3, 4, 50000, 0, 7, 4294967295, 11])
        with open(PAGE) as file:
            page = re.findall(r"^\| (?:first|second) \| [0-9 ]+ \| `([0-9a-f]{64})` \|", file.read(), re.M)
        self.assertEqual(len(page), 2)
        self.assertEqual([block.hex() for block in ids], page)
        self.assertEqual(chain.ids([1, 2, 3, 4, 50000, 0, 7, 4294967295], ids[:1]), ids)


class HostileDaemon(unittest.TestCase):
    """What a client must not take from whoever listens on the path."""

    def answer(self, frames, descriptors=()):
        """A socket at whose other end each `frames` is sent after the hello."""
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        path = os.path.join(directory.name, "s")
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listener.bind(path)
        listener.listen()
        self.addCleanup(listener.close)

        def serve():
            peer, _ = listener.accept()
            peer.recv(65536)
            for i, frame in enumerate(frames):
                socket.send_fds(peer, [frame], descriptors if i == len(frames) - 1 else [])
            peer.recv(65536)
            peer.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        self.addCleanup(thread.join, 5)
        return path

    WELCOME = wire.ServerFrame(welcome=wire.Welcome(
        version=2, block_id_rule=1, store_instance=bytes(16), max_blocks_per_request=1024
    )).SerializeToString()

    def arena(self, descriptor, **changes):
        described = dict(arena=1, tier=1, role=1, slot_bytes=4096, slot_count=2) | changes
        frame = wire.ServerFrame(arenas=wire.Arenas(arenas=[wire.Arena(**described)])).SerializeToString()
        return self.answer([self.WELCOME, frame], [descriptor])

    def test_memory_that_can_shrink_is_not_mapped(self):
        descriptor = os.memfd_create("arena", os.MFD_ALLOW_SEALING)
        os.ftruncate(descriptor, 8192)
        with tierd.Session(self.arena(descriptor), timeout_s=5) as session:
            with self.assertRaisesRegex(tierd.Violated, "not sealed"):
                session.pump(5)
        os.close(descriptor)

    def test_memory_smaller_than_announced_is_not_mapped(self):
        import fcntl

        descriptor = os.memfd_create("arena", os.MFD_ALLOW_SEALING)
        os.ftruncate(descriptor, 4096)
        fcntl.fcntl(descriptor, 1033, 2 | 4)
        with tierd.Session(self.arena(descriptor), timeout_s=5) as session:
            with self.assertRaisesRegex(tierd.Violated, "4096 bytes, 8192 were announced"):
                session.pump(5)
        os.close(descriptor)

    def test_what_is_no_memory_file_is_not_mapped(self):
        reading, writing = os.pipe()
        with tierd.Session(self.arena(reading), timeout_s=5) as session:
            with self.assertRaisesRegex(tierd.Violated, "no memory file"):
                session.pump(5)
        os.close(reading), os.close(writing)

    def test_another_rule_of_ids_is_refused(self):
        welcome = wire.ServerFrame(welcome=wire.Welcome(version=2, block_id_rule=9)).SerializeToString()
        with self.assertRaisesRegex(tierd.Incompatible, "rule 9"):
            tierd.Session(self.answer([welcome]), timeout_s=5)

    def test_garbage_ends_the_session(self):
        with self.assertRaises(tierd.Violated):
            tierd.Session(self.answer([b"\xff\xff\xff"]), timeout_s=5)

    def test_nobody_there_is_said_so(self):
        with self.assertRaisesRegex(tierd.Unavailable, "is tierd running"):
            tierd.Session("/nonexistent/worker.sock")

    def test_silence_ends_the_wait(self):
        with self.assertRaisesRegex(tierd.Unavailable, "did not answer"):
            tierd.Session(self.answer([]), timeout_s=0.2)


if __name__ == "__main__":
    unittest.main()
