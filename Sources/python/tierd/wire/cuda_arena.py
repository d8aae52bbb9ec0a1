"""Device arenas: CUDA memory of the daemon, imported into this process (docs/protocol.md, "Arenas in CUDA memory").

The driver's own interface, by its own library: torch has none for memory of another process that is mapped for good. What
CUDA maps is writable; that nobody writes is trust within a tenant.
"""

import ctypes

import torch

from ..errors import Unavailable, Violated

_POSIX_DESCRIPTOR = 1
_LOCATION_DEVICE = 1
_READ_WRITE = 3


class _Access(ctypes.Structure):
    """CUmemAccessDesc, with its CUmemLocation in place."""

    _fields_ = [("location_type", ctypes.c_int), ("location_id", ctypes.c_int), ("flags", ctypes.c_int)]


class _Driver:
    """The calls that importing takes. Each raises `Unavailable` with the driver's own words."""

    def __init__(self):
        try:
            self._library = ctypes.CDLL("libcuda.so.1")
        except OSError as error:
            raise Unavailable(
                "the daemon computes on CUDA memory, and there is no CUDA driver (libcuda.so.1) here"
            ) from error
        self.call("cuInit", ctypes.c_uint(0))

    def has(self, name):
        return hasattr(self._library, name)

    def call(self, name, *arguments):
        result = getattr(self._library, name)(*arguments)
        if result:
            text = ctypes.c_char_p()
            self._library.cuGetErrorString(ctypes.c_int(result), ctypes.byref(text))
            raise Unavailable(f"{name} failed: {(text.value or b'').decode() or result}")

    def ordinal(self, uuid):
        """The device of this process that has these 16 bytes as its name; torch counts devices the same way."""
        count = ctypes.c_int()
        self.call("cuDeviceGetCount", ctypes.byref(count))
        names = [name for name in ("cuDeviceGetUuid_v2", "cuDeviceGetUuid") if self.has(name)]
        for ordinal in range(count.value):
            device = ctypes.c_int()
            self.call("cuDeviceGet", ctypes.byref(device), ctypes.c_int(ordinal))
            for name in names:
                found = (ctypes.c_ubyte * 16)()
                self.call(name, ctypes.byref(found), device)
                if bytes(found) == uuid:
                    return ordinal
        raise Unavailable(
            f"the daemon's device {uuid.hex()} is none of the {count.value} this process sees: check CUDA_VISIBLE_DEVICES"
        )


class _Imported:
    """One allocation of the daemon, mapped for as long as this lives. A CUDA array, as torch takes them over."""

    def __init__(self, descriptor, ordinal, size, shape, driver):
        self._driver, self._size = driver, size
        self._handle, self._pointer = ctypes.c_uint64(), ctypes.c_uint64()
        self._is_mapped = False
        handle = ctypes.c_void_p(descriptor)
        driver.call("cuMemImportFromShareableHandle", ctypes.byref(self._handle), handle, ctypes.c_int(_POSIX_DESCRIPTOR))
        zero, length = ctypes.c_uint64(0), ctypes.c_size_t(size)
        driver.call("cuMemAddressReserve", ctypes.byref(self._pointer), length, ctypes.c_size_t(0), zero, zero)
        driver.call("cuMemMap", self._pointer, length, ctypes.c_size_t(0), self._handle, zero)
        self._is_mapped = True
        access = _Access(_LOCATION_DEVICE, ordinal, _READ_WRITE)
        driver.call("cuMemSetAccess", self._pointer, length, ctypes.byref(access), ctypes.c_size_t(1))
        self.__cuda_array_interface__ = {
            "shape": shape, "typestr": "|u1", "data": (self._pointer.value, False), "strides": None, "version": 3,
        }

    def __del__(self):
        # A driver that is shutting down with the process fails these; the memory goes with the process then.
        library, size = self._driver._library, ctypes.c_size_t(self._size)
        if self._is_mapped:
            library.cuMemUnmap(self._pointer, size)
        if self._pointer.value:
            library.cuMemAddressFree(self._pointer, size)
        if self._handle.value:
            library.cuMemRelease(self._handle)


def tensor(description, descriptor):
    """uint8 [slots, bytes of a slot] on the device. The descriptor stays the caller's."""
    size = description.slot_bytes * description.slot_count
    if len(description.device_uuid) != 16 or description.allocation_bytes < size:
        raise Violated(
            f"the daemon described the CUDA memory of arena {description.arena} in a way the protocol does not allow"
        )
    driver = _Driver()
    ordinal = driver.ordinal(bytes(description.device_uuid))
    # The device's primary context, which is torch's.
    torch.empty(1, device=f"cuda:{ordinal}")
    shape = (description.slot_count, description.slot_bytes)
    imported = _Imported(descriptor, ordinal, description.allocation_bytes, shape, driver)
    return torch.as_tensor(imported, device=f"cuda:{ordinal}")
