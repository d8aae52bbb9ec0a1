/// Makes a store's device memory readable in a worker's process: what a session maps files with mmap for. A session that was
/// given none refuses arenas of device memory.
public protocol DeviceImporter: Sendable {
  /// - Parameters:
  ///   - descriptor: of the memory; stays the caller's to close.
  ///   - device: the UUID of the device it belongs to, 16 bytes.
  ///   - allocationBytes: of the memory as a whole.
  /// `badSlot` where this process has no such device, or the memory cannot be imported.
  func importMemory(
    descriptor: Int32, device: [UInt8], allocationBytes: Int
  ) throws(ResidencyError) -> any ImportedDeviceMemory
}

/// Device memory of a store, as this process sees it. Let go with its last reference.
public protocol ImportedDeviceMemory: AnyObject, Sendable {
  /// Its address on the device, for kernels of this process.
  var address: UInt64 { get }
  /// Copies bytes to the host, and waits for them. `badSlot` where the device fails.
  func read(offset: Int, into bytes: UnsafeMutableRawBufferPointer) throws(ResidencyError)
}
