"""A worker of tierd's, written from docs/protocol.md: stores blocks, and reads them back.

    python3 worker.py SOCKET --cpu N --blocks N --first N
"""

import argparse
import mmap
import os
import socket
import struct
import sys

BLOCK_BYTES = 1 << 20
STAGING = 8


def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(tag, value):
    if isinstance(value, bytes):
        return varint(tag << 3 | 2) + varint(len(value)) + value
    return varint(tag << 3) + varint(value)


def message(*fields):
    return b"".join(field(tag, value) for tag, value in fields)


def parse(data):
    """{tag: [values]}: numbers, or bytes."""
    fields, at = {}, 0

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        key = number()
        if key & 7 == 0:
            value = number()
        elif key & 7 == 2:
            length = number()
            value = data[at : at + length]
            at += length
        else:
            sys.exit(f"a field of type {key & 7}")
        fields.setdefault(key >> 3, []).append(value)
    return fields


def words(fields, tag, code, size):
    packed = b"".join(fields.get(tag, []))
    return list(struct.unpack(f"<{len(packed) // size}{code}", packed))


class Worker:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(60)
        self.socket.connect(path)
        self.maps = {}
        self.send(1, message((1, 1), (2, 2), (3, b"numa")))
        self.expect(1)

    def send(self, tag, body):
        self.socket.sendall(field(tag, body))

    def receive(self):
        data, descriptors, _, _ = socket.recv_fds(self.socket, 1 << 16, 16)
        if not data:
            sys.exit("the daemon hung up")
        (tag, (body,)), = parse(data).items()
        body = parse(body)
        if tag == 3:
            for arena, descriptor in zip(body[1], descriptors):
                self.map(parse(arena), descriptor)
        return tag, body

    def map(self, arena, descriptor):
        role, size = arena[3][0], arena[4][0] * arena[5][0]
        if role != 3:
            access = mmap.PROT_READ | (mmap.PROT_WRITE if role == 2 else 0)
            self.maps[arena[1][0]] = mmap.mmap(descriptor, size, mmap.MAP_SHARED, access)
        os.close(descriptor)

    def expect(self, *tags):
        while True:
            tag, body = self.receive()
            if tag in tags:
                return tag, body
            if tag not in (3, 5, 10):
                sys.exit(f"frame {tag}: {body}")

    def store(self, first, count):
        """Opens a sequence of blocks named by `first` and on; answers how many the store took."""
        plan = [(1, 1), (2, 255), (3, 1), (4, 2048), (5, 256), (6, 1), (7, STAGING), (8, count), (9, STAGING), (10, 1)]
        self.send(2, message(*plan))
        tag, body = self.expect(4, 6)
        if tag == 6:
            sys.exit(f"refused: {body}")
        staging = body[2][0]
        for at in range(0, count, 512):
            ids = b"".join(struct.pack("<QQQQ", first + block, 0, 0, 1) for block in range(at, min(at + 512, count)))
            self.send(3, message((1, 1), (2, ids)))
            self.expect(7)
        taken = 0
        for at in range(0, count, STAGING):
            taken += self.chunk(staging, first, at, min(STAGING, count - at))
        return taken

    def chunk(self, staging, first, at, count):
        span = message((1, 1), (3, at), (4, count)) if at else message((1, 1), (4, count))
        self.send(4, span)
        _, body = self.expect(8)
        slots = words(body, 5, "I", 4)
        for block, slot in enumerate(slots):
            start = slot * BLOCK_BYTES
            self.maps[staging][start : start + BLOCK_BYTES] = content(first + at + block)
        self.send(5, span)
        taken = told = 0
        while told < count:
            _, body = self.expect(9)
            number = body.get(4, [1])[0]
            told += number
            taken += number if body.get(5, [0])[0] == 1 else 0
        return taken

    def read(self, first, count):
        """Every byte of the blocks; answers how many are there."""
        found = 0
        for at in range(0, count, STAGING):
            number = min(STAGING, count - at)
            span = [(1, 1), (4, number)] + ([(3, at)] if at else [])
            self.send(6, message(*sorted(span), (5, (at + number) // STAGING + 1)))
            _, body = self.expect(11)
            blocks = []
            place = at
            for run in words(body, 4, "I", 4):
                if run & 3 == 1:
                    blocks += range(place, place + (run >> 2))
                place += run >> 2
            for block, slot in zip(blocks, words(body, 5, "Q", 8)):
                arena, start = slot >> 32, (slot & 0xFFFFFFFF) * BLOCK_BYTES
                if self.maps[arena][start : start + BLOCK_BYTES] != content(first + block):
                    sys.exit(f"wrong bytes in block {first + block}")
                found += 1
                self.send(7, message((1, 1), (3, block), (4, 1)) if block else message((1, 1), (4, 1)))
        return found


def content(block):
    return struct.pack("<Q", block * 0x9E3779B97F4A7C15 % (1 << 64)) * (BLOCK_BYTES // 8)


def main():
    options = argparse.ArgumentParser()
    options.add_argument("socket")
    options.add_argument("--cpu", type=int)
    options.add_argument("--blocks", type=int, default=8)
    options.add_argument("--first", type=int, default=0)
    options = options.parse_args()
    if options.cpu is not None:
        os.sched_setaffinity(0, {options.cpu})
    worker = Worker(options.socket)
    taken = worker.store(options.first, options.blocks)
    print(taken, worker.read(options.first, options.blocks))


main()
