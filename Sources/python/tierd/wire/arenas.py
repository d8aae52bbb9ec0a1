"""Arenas: memory the daemon hands over as descriptors, and tensors that lie in it.

Nothing is copied: a tensor of an arena is the daemon's memory. Data and generations are mapped read-only; writing to a
tensor of theirs is a fault of the process. A map lives as long as a tensor of it does.
"""

import fcntl
import mmap
import os
import stat
import warnings

import torch

from ..errors import Violated
from . import cuda_arena

DATA, STAGING, GENERATIONS = 1, 2, 3
DEVICE, HOST = 0, 1
MEMORY_FILE, CUDA_HANDLE = 0, 1

_F_GET_SEALS = 1034
_F_SEAL_SHRINK, _F_SEAL_GROW = 2, 4
_SLOT_BYTES = 64 << 20


class Arena:
    """`bytes`: uint8 [slots, bytes of a slot], on the CPU or on a CUDA device. `generations`: of a table of them, one
    number a slot, as it is now."""

    def __init__(self, description, descriptor):
        self.number = description.arena
        self.tier = description.tier
        self.role = description.role
        self.slot_bytes = description.slot_bytes
        self.slot_count = description.slot_count
        self.generations = None
        self._check_description()
        memory = getattr(description, "memory", MEMORY_FILE)
        if memory == CUDA_HANDLE:
            if self.role != DATA:
                raise Violated(f"{self._name} is device memory of a role that is the host's")
            self.bytes = cuda_arena.tensor(description, descriptor)
        elif memory == MEMORY_FILE:
            self.bytes = self._map(descriptor)
        else:
            raise Violated(f"{self._name} is memory of a kind ({memory}) this package does not know: install a newer")
        self._views = {}

    @property
    def _name(self):
        return f"arena {self.number}"

    def _check_description(self):
        least = 8 if self.role == GENERATIONS else 1
        if (
            self.role not in (DATA, STAGING, GENERATIONS)
            or self.tier not in (DEVICE, HOST)
            or not least <= self.slot_bytes <= _SLOT_BYTES
            or self.slot_count < 1
            or (self.role == GENERATIONS and self.slot_bytes != 8)
        ):
            raise Violated(f"the daemon described {self._name} in a way the protocol does not allow")

    def _map(self, descriptor):
        size = self.slot_bytes * self.slot_count
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise Violated(f"{self._name} is no memory file: it is not mapped")
        try:
            seals = fcntl.fcntl(descriptor, _F_GET_SEALS)
        except OSError as error:
            raise Violated(f"{self._name} has no seals: it is not mapped") from error
        # Whoever holds the file could otherwise shrink it, and reading the map would be a SIGBUS.
        if seals & (_F_SEAL_SHRINK | _F_SEAL_GROW) != _F_SEAL_SHRINK | _F_SEAL_GROW:
            raise Violated(f"{self._name} is not sealed against resizing: it is not mapped")
        if status.st_size < size:
            raise Violated(f"{self._name} has {status.st_size} bytes, {size} were announced: it is not mapped")
        protection = mmap.PROT_READ | (mmap.PROT_WRITE if self.role == STAGING else 0)
        memory = mmap.mmap(descriptor, size, mmap.MAP_SHARED, protection)
        # A crashed worker's core holds none of the prompts in here.
        memory.madvise(mmap.MADV_DONTDUMP)
        if self.role == GENERATIONS:
            self.generations = memoryview(memory).cast("Q")
        with warnings.catch_warnings():
            # torch warns of memory that cannot be written to; that it cannot is the point.
            warnings.filterwarnings("ignore", message="The given buffer is not writable")
            return torch.frombuffer(memory, dtype=torch.uint8).view(self.slot_count, self.slot_bytes)

    def blocks(self, layout):
        """[slots, K and V, KV heads, tokens, head dimension] of `layout`'s dtype: the same memory."""
        view = self._views.get(layout)
        if view is None:
            payload = self.bytes[:, : layout.payload_bytes].view(layout.dtype)
            view = payload.unflatten(1, (2, layout.kv_heads, layout.block_tokens, layout.head_dim))
            self._views[layout] = view
        return view


class ArenaTable:
    """The arenas of one session, by number and role."""

    def __init__(self):
        self._arenas = {}

    def add(self, descriptions, descriptors):
        """Maps what came with one frame. The descriptors stay the caller's."""
        if len(descriptions) != len(descriptors):
            raise Violated("the daemon announced arenas without as many descriptors")
        for description, descriptor in zip(descriptions, descriptors):
            key = description.arena, description.role
            if key in self._arenas:
                raise Violated(f"the daemon announced arena {description.arena} twice")
            self._arenas[key] = Arena(description, descriptor)

    def get(self, number, role, slot):
        arena = self._arenas.get((number, role))
        if arena is None or not 0 <= slot < arena.slot_count:
            raise Violated(f"the daemon named slot {slot} of arena {number}, which it never handed over")
        return arena
