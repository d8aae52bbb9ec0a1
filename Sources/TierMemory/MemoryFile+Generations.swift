import Synchronization

// A memory file that is a table of generations: one little-endian `UInt64` per slot.

extension MemoryFile {
  /// Readers of an older generation notice from here on. Ordered before any write to the slot that follows.
  func storeGeneration(_ generation: UInt64, at index: UInt32) {
    base.storeBytes(of: generation, toByteOffset: Int(index) * 8, as: UInt64.self)
    atomicMemoryFence(ordering: .sequentiallyConsistent)
  }

  func loadGeneration(at index: UInt32) -> UInt64 {
    atomicMemoryFence(ordering: .acquiring)
    return base.load(fromByteOffset: Int(index) * 8, as: UInt64.self)
  }
}
