import CCUDA
import Glibc
public import TierCore
public import TierMemory

/// Device memory through the driver's virtual memory management: physical memory, a range of addresses it is mapped at,
/// and a descriptor by which other processes import it. Driver API reference, "Virtual Memory Management".
final class CUDAMemory: DeviceMemory {
  let sizeBytes: Int
  let address: UInt64
  let descriptor: Int32
  private let device: CUDADevice
  private let mapping: CUDAMapping

  /// Rounded up to the device's granularity. Cleared before anybody else can see it.
  init(_ device: CUDADevice, sizeBytes: Int) throws(DeviceError) {
    precondition(sizeBytes > 0, "memory has a size")
    let functions = device.functions
    let granularity = device.granularityBytes
    let size = (sizeBytes + granularity - 1) / granularity * granularity
    try device.enter()
    var properties = CUDADevice.properties(of: device.handle)
    var handle: cu_memory_handle = 0
    let code = functions.createMemory(&handle, size, &properties, 0)
    guard code != CU_OUT_OF_MEMORY else { throw .outOfMemory(wantedBytes: size) }
    try functions.check(code, "cuMemCreate")
    // The mapping holds the memory from here on: the handle is released whatever happens.
    let mapping = try CUDAMapping(device, owning: handle, sizeBytes: size)
    try functions.check(functions.fill(mapping.address, 0, size), "cuMemsetD8")
    // It is the null stream's, and has only been queued: a copy of another stream must not come before it.
    try functions.check(functions.synchronizeStream(nil), "cuStreamSynchronize")
    var descriptor: Int32 = -1
    try functions.check(
      functions.exportMemory(&descriptor, handle, CU_HANDLE_POSIX_DESCRIPTOR, 0), "cuMemExportToShareableHandle")
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    self.device = device
    self.mapping = mapping
    self.sizeBytes = size
    self.descriptor = descriptor
    address = mapping.address
  }

  deinit { close(descriptor) }
}

/// Physical device memory mapped for reading and writing at addresses of its own. Unmapped and let go with its last
/// reference.
final class CUDAMapping: Sendable {
  let address: cu_device_address
  private let sizeBytes: Int
  private let handle: cu_memory_handle
  private let device: CUDADevice

  /// Owns the handle from the call on, also where it throws.
  init(_ device: CUDADevice, owning handle: cu_memory_handle, sizeBytes: Int) throws(DeviceError) {
    let functions = device.functions
    var address: cu_device_address = 0
    do throws(DeviceError) {
      try functions.check(functions.reserveAddresses(&address, sizeBytes, 0, 0, 0), "cuMemAddressReserve")
      try functions.check(functions.map(address, sizeBytes, 0, handle, 0), "cuMemMap")
    } catch {
      if address != 0 { _ = functions.freeAddresses(address, sizeBytes) }
      _ = functions.releaseMemory(handle)
      throw error
    }
    self.device = device
    self.handle = handle
    self.sizeBytes = sizeBytes
    self.address = address
    var access = cu_access(
      location: cu_location(type: CU_LOCATION_DEVICE, id: device.handle), flags: CU_ACCESS_READ_WRITE)
    try functions.check(functions.setAccess(address, sizeBytes, &access, 1), "cuMemSetAccess")
  }

  deinit {
    // What fails here, fails because the device is gone, and with it the memory.
    try? device.enter()
    let functions = device.functions
    _ = functions.unmap(address, sizeBytes)
    _ = functions.freeAddresses(address, sizeBytes)
    _ = functions.releaseMemory(handle)
  }
}

/// A store's device memory, imported by a worker. The device cannot protect it from writing: within a tenant there is
/// trust (docs/threat-model.md).
public final class ImportedCUDAMemory: ImportedDeviceMemory {
  public let sizeBytes: Int
  private let device: CUDADevice
  private let mapping: CUDAMapping

  /// - Parameters:
  ///   - descriptor: as it came from the store; stays the caller's to close.
  ///   - sizeBytes: of the allocation, as the store said.
  public init(_ device: CUDADevice, descriptor: Int32, sizeBytes: Int) throws(DeviceError) {
    guard sizeBytes > 0, sizeBytes % device.granularityBytes == 0 else {
      throw .failed("memory of \(sizeBytes) bytes is no multiple of the device's granularity: it is not imported")
    }
    try device.enter()
    let functions = device.functions
    var handle: cu_memory_handle = 0
    // The driver takes the number itself where a pointer is expected.
    try functions.check(
      functions.importMemory(
        &handle, UnsafeMutableRawPointer(bitPattern: UInt(descriptor)), CU_HANDLE_POSIX_DESCRIPTOR),
      "cuMemImportFromShareableHandle")
    self.device = device
    self.sizeBytes = sizeBytes
    mapping = try CUDAMapping(device, owning: handle, sizeBytes: sizeBytes)
  }

  /// Where the memory is in this process's device addresses.
  public var address: UInt64 { mapping.address }

  public func read(offset: Int, into bytes: UnsafeMutableRawBufferPointer) throws(ResidencyError) {
    precondition(offset >= 0 && offset + bytes.count <= sizeBytes, "the range is inside the memory")
    do throws(DeviceError) { try device.read(mapping.address + UInt64(offset), into: bytes) } catch {
      throw .badSlot("cannot read device memory: \(error.message)")
    }
  }
}
