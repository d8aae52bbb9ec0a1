import Glibc

/// Slots of one size in a device's memory, and a table with the generation of each, which is in memory of the host.
public final class DeviceArena: Sendable {
  public let slotBytes: Int
  public let slotCount: Int
  public let data: any DeviceMemory
  /// One little-endian `UInt64` per slot.
  public let generations: MemoryFile
  /// What workers are handed beside the memory's own descriptor: they read, and cannot write.
  public let generationsDescriptor: Int32

  public init(name: String, memory: any DeviceMemory, slotBytes: Int, slotCount: Int) throws(MemoryError) {
    precondition(slotBytes > 0 && slotBytes * slotCount <= memory.sizeBytes, "the slots are in the memory")
    generations = try MemoryFile(
      name: name + "-generations", sizeBytes: slotCount * MemoryLayout<UInt64>.size)
    generationsDescriptor = try generations.readOnlyDescriptor()
    data = memory
    self.slotBytes = slotBytes
    self.slotCount = slotCount
  }

  deinit { close(generationsDescriptor) }

  /// The device address of a slot.
  public func slot(_ index: UInt32) -> UInt64 {
    precondition(index < slotCount, "the slot is in the arena")
    return data.address + UInt64(index) * UInt64(slotBytes)
  }

  /// As `MemoryArena.setGeneration`.
  public func setGeneration(_ index: UInt32, _ generation: UInt64) {
    precondition(index < slotCount, "the slot is in the arena")
    generations.storeGeneration(generation, at: index)
  }

  public func generation(_ index: UInt32) -> UInt64 {
    precondition(index < slotCount, "the slot is in the arena")
    return generations.loadGeneration(at: index)
  }
}
