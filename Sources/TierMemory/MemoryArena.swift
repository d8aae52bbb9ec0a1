import Glibc
import Synchronization

/// Slots of one size in memory of this machine, and a table with the generation of each.
public final class MemoryArena: Sendable {
  public let slotBytes: Int
  public let slotCount: Int
  public let data: MemoryFile
  /// One little-endian `UInt64` per slot.
  public let generations: MemoryFile
  /// What workers are handed: they read, and cannot write.
  public let dataDescriptor: Int32
  public let generationsDescriptor: Int32

  public init(name: String, slotBytes: Int, slotCount: Int) throws(MemoryError) {
    self.slotBytes = slotBytes
    self.slotCount = slotCount
    data = try MemoryFile(name: name, sizeBytes: slotBytes * slotCount)
    generations = try MemoryFile(name: name + "-generations", sizeBytes: slotCount * MemoryLayout<UInt64>.size)
    let dataDescriptor = try data.readOnlyDescriptor()
    do {
      generationsDescriptor = try generations.readOnlyDescriptor()
    } catch {
      close(dataDescriptor)
      throw error
    }
    self.dataDescriptor = dataDescriptor
  }

  deinit {
    close(dataDescriptor)
    close(generationsDescriptor)
  }

  public func slot(_ index: UInt32) -> UnsafeMutableRawBufferPointer {
    precondition(index < slotCount, "the slot is in the arena")
    return UnsafeMutableRawBufferPointer(start: data.base + Int(index) * slotBytes, count: slotBytes)
  }

  /// Readers of an older generation notice from here on. Ordered before any write to the slot that follows.
  public func setGeneration(_ index: UInt32, _ generation: UInt64) {
    precondition(index < slotCount, "the slot is in the arena")
    generations.base.storeBytes(of: generation, toByteOffset: Int(index) * 8, as: UInt64.self)
    atomicMemoryFence(ordering: .sequentiallyConsistent)
  }

  public func generation(_ index: UInt32) -> UInt64 {
    atomicMemoryFence(ordering: .acquiring)
    return generations.base.load(fromByteOffset: Int(index) * 8, as: UInt64.self)
  }

  public func decommit(_ index: UInt32) throws(MemoryError) {
    try data.decommit(offset: Int(index) * slotBytes, count: slotBytes)
  }
}
