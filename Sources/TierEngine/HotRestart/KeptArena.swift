import CLinux
import Glibc
import TierCore
import TierMemory

/// An arena of an earlier life, taken over from the descriptors that were kept of it.
struct KeptArena {
  let record: ArenaRecord
  let arena: MemoryArena

  /// Of what was kept, the arenas that are whole, in the order of their ids; and the names of what is of no use.
  static func find(_ kept: [KeptDescriptor]) -> (arenas: [KeptArena], unusable: [String]) {
    var files: [String: Int32] = [:]
    for item in kept {
      // Kept twice under one name: the first is used.
      if files[item.name] == nil { files[item.name] = item.descriptor } else { close(item.descriptor) }
    }
    var arenas: [KeptArena] = []
    for base in Set(files.keys.map(Self.base)).sorted() {
      let names = ArenaFileNames(base)
      guard let data = files[names.data], let generations = files[names.generations],
        let records = files[names.records],
        let found = KeptArena(data: data, generations: generations, records: records),
        !arenas.contains(where: { $0.record.arena == found.record.arena })
      else { continue }
      for name in names.all { files[name] = nil }
      arenas.append(found)
    }
    for descriptor in files.values { close(descriptor) }
    return (arenas.sorted { $0.record.arena < $1.record.arena }, files.keys.sorted())
  }

  private static func base(_ name: String) -> String { name.lastIndex(of: "-").map { String(name[..<$0]) } ?? name }

  /// Nil where the descriptors are not the files of one arena; they stay the caller's then.
  private init?(data: Int32, generations: Int32, records: Int32) {
    let recordBytes = Int(tierd_memfd_size(records))
    guard recordBytes >= ArenaRecord.sizeBytes, tierd_memfd_is_fixed_size(records),
      let header = mmap(nil, ArenaRecord.sizeBytes, PROT_READ, MAP_SHARED, records, 0), header != MAP_FAILED
    else { return nil }
    defer { munmap(header, ArenaRecord.sizeBytes) }
    guard let record = ArenaRecord(header), recordBytes == ArenaRecord.fileBytes(slots: record.slotCount),
      let arena = MemoryArena.adopt(
        (data, generations, records), slotBytes: record.slotBytes, slotCount: record.slotCount,
        recordBytes: recordBytes)
    else { return nil }
    self.record = record
    self.arena = arena
  }

  /// The slots that say they hold a block, and agree with themselves.
  func heldSlots() -> [UInt32: FoundBlock] {
    var held: [UInt32: FoundBlock] = [:]
    for slot in 0..<UInt32(record.slotCount) {
      guard let found = SlotRecord(arena.record(slot)), found.generation == arena.generation(slot),
        found.block.key.tenant == record.tenant, found.block.layout.slotBytes == record.slotBytes
      else { continue }
      held[slot] = found.block
    }
    return held
  }
}

extension MemoryArena {
  /// Who reads the slot still notices from here on that it holds nothing for them.
  func retire(_ slot: UInt32) { setGeneration(slot, generation(slot) + 1) }

  /// Gives the slot's pages back, after that.
  func giveBack(_ slot: UInt32) throws(MemoryError) {
    retire(slot)
    try decommit(slot)
  }

  /// Of an arena whose slots are recorded.
  func record(_ slot: UInt32) -> UnsafeMutableRawPointer {
    guard let records else { preconditionFailure("the arena has records") }
    precondition(slot < slotCount, "the slot is in the arena")
    return records.base + ArenaRecord.sizeBytes + Int(slot) * SlotRecord.sizeBytes
  }
}
