import Glibc

/// Slots of one size in memory of this machine, and a table with the generation of each.
public final class MemoryArena: Sendable {
  public let slotBytes: Int
  public let slotCount: Int
  public let data: MemoryFile
  /// One little-endian `UInt64` per slot.
  public let generations: MemoryFile
  /// What each slot holds, for a later life of the owner; nil where that is not recorded.
  public let records: MemoryFile?
  /// What workers are handed: they read, and cannot write.
  public let dataDescriptor: Int32
  public let generationsDescriptor: Int32

  /// - Parameter recordBytes: of the file beside it that records what slots hold; 0 for none.
  public convenience init(name: String, slotBytes: Int, slotCount: Int, recordBytes: Int = 0) throws(MemoryError) {
    try self.init(
      name: name, data: try MemoryFile(name: name, sizeBytes: slotBytes * slotCount), slotBytes: slotBytes,
      slotCount: slotCount, recordBytes: recordBytes)
  }

  /// The same over memory that is there already.
  public convenience init(
    name: String, data: MemoryFile, slotBytes: Int, slotCount: Int, recordBytes: Int = 0
  ) throws(MemoryError) {
    precondition(data.sizeBytes >= slotBytes * slotCount, "the memory holds the slots")
    try self.init(
      data: data,
      generations: try MemoryFile(name: name + "-generations", sizeBytes: slotCount * MemoryLayout<UInt64>.size),
      records: recordBytes > 0 ? try MemoryFile(name: name + "-records", sizeBytes: recordBytes) : nil,
      slotBytes: slotBytes, slotCount: slotCount)
  }

  /// Takes over the descriptors of an arena made before. Nil, and they stay the caller's, where they are not files of
  /// these sizes that nobody can resize, or cannot be mapped.
  public static func adopt(
    _ files: (data: Int32, generations: Int32, records: Int32), slotBytes: Int, slotCount: Int, recordBytes: Int
  ) -> MemoryArena? {
    let (bytes, overflow) = slotBytes.multipliedReportingOverflow(by: slotCount)
    guard !overflow, MemoryFile.isWhole(files.data, sizeBytes: bytes),
      MemoryFile.isWhole(files.generations, sizeBytes: slotCount * MemoryLayout<UInt64>.size),
      MemoryFile.isWhole(files.records, sizeBytes: recordBytes)
    else { return nil }
    // Duplicates, so that what fails half way leaves the caller what is the caller's.
    guard let data = MemoryFile(duplicating: files.data, sizeBytes: bytes),
      let generations = MemoryFile(
        duplicating: files.generations, sizeBytes: slotCount * MemoryLayout<UInt64>.size),
      let records = MemoryFile(duplicating: files.records, sizeBytes: recordBytes),
      let arena = try? MemoryArena(
        data: data, generations: generations, records: records, slotBytes: slotBytes, slotCount: slotCount)
    else { return nil }
    for descriptor in [files.data, files.generations, files.records] { close(descriptor) }
    return arena
  }

  private init(
    data: MemoryFile, generations: MemoryFile, records: MemoryFile?, slotBytes: Int, slotCount: Int
  ) throws(MemoryError) {
    self.slotBytes = slotBytes
    self.slotCount = slotCount
    self.data = data
    self.generations = generations
    self.records = records
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
    generations.storeGeneration(generation, at: index)
  }

  public func generation(_ index: UInt32) -> UInt64 { generations.loadGeneration(at: index) }

  public func decommit(_ index: UInt32) throws(MemoryError) {
    try data.decommit(offset: Int(index) * slotBytes, count: slotBytes)
  }
}
