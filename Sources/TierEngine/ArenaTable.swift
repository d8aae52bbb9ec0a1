import Synchronization
import TierCore
import TierMemory

/// The memory behind every arena id. Addresses are looked up here, when a move starts.
final class ArenaTable: Sendable {
  struct Entry {
    let tier: Tier
    let role: ArenaAnnouncement.Role
    let slotBytes: Int
    let slotCount: Int
    let data: MemoryFile
    /// Nil for staging arenas.
    let arena: MemoryArena?
  }

  private let entries = Mutex<[ArenaID: Entry]>([:])
  /// Who keeps arenas beyond this process; nil where nobody does.
  private let keeper: (any MemoryKeeper)?

  init(keeper: (any MemoryKeeper)?) { self.keeper = keeper }

  func open(_ id: ArenaID, _ tier: Tier, _ tenant: TenantID, slotBytes: Int, slotCount: Int) throws(MemoryError) {
    let arena = try MemoryArena(
      name: "tierd-\(tier.name)-\(id.rawValue)", slotBytes: slotBytes, slotCount: slotCount,
      recordBytes: keeper != nil ? ArenaRecord.fileBytes(slots: slotCount) : 0)
    add(arena, id, tier)
    if let records = arena.records {
      ArenaRecord(arena: id, tier: tier, tenant: tenant, slotBytes: slotBytes, slotCount: slotCount)
        .write(to: records.base)
      keep(arena, id)
    }
  }

  private func keep(_ arena: MemoryArena, _ id: ArenaID) {
    guard let keeper, let records = arena.records else { return }
    let names = ArenaFileNames("\(ArenaFileNames.prefix)\(id.rawValue)")
    keeper.keep(arena.data.descriptor, name: names.data)
    keeper.keep(arena.generations.descriptor, name: names.generations)
    keeper.keep(records.descriptor, name: names.records)
  }

  /// An arena of an earlier life. Who kept it keeps it on.
  func adopt(_ kept: KeptArena) { add(kept.arena, kept.record.arena, kept.record.tier) }

  private func add(_ arena: MemoryArena, _ id: ArenaID, _ tier: Tier) {
    let (slotBytes, slotCount) = (arena.slotBytes, arena.slotCount)
    entries.withLock {
      $0[id] = Entry(
        tier: tier, role: .data, slotBytes: slotBytes, slotCount: slotCount, data: arena.data, arena: arena)
    }
  }

  func openStaging(_ id: ArenaID, slotBytes: Int, slotCount: Int) throws(MemoryError) {
    let file = try MemoryFile(name: "tierd-staging-\(id.rawValue)", sizeBytes: slotBytes * slotCount)
    entries.withLock {
      $0[id] = Entry(tier: .host, role: .staging, slotBytes: slotBytes, slotCount: slotCount, data: file, arena: nil)
    }
  }

  func publish(_ slot: SlotRef, _ record: SlotRecord) {
    guard let arena = arena(slot.arena), arena.records != nil else { return }
    record.write(to: arena.record(slot.index))
  }

  func unpublish(_ slot: SlotRef) {
    guard let arena = arena(slot.arena), arena.records != nil else { return }
    SlotRecord.clear(arena.record(slot.index))
  }

  func close(_ id: ArenaID) { _ = entries.withLock { $0.removeValue(forKey: id) } }

  /// Nil where the arena could not be opened, is closed, or has no such slot.
  func bytes(_ slot: SlotRef) -> UnsafeMutableRawBufferPointer? {
    guard let entry = entries.withLock({ $0[slot.arena] }), slot.index < entry.slotCount else { return nil }
    return UnsafeMutableRawBufferPointer(
      start: entry.data.base + Int(slot.index) * entry.slotBytes, count: entry.slotBytes)
  }

  func arena(_ id: ArenaID) -> MemoryArena? { entries.withLock { $0[id]?.arena } }

  func tier(_ id: ArenaID) -> Tier? { entries.withLock { $0[id]?.tier } }

  func announcements(_ id: ArenaID) -> [ArenaAnnouncement] {
    guard let entry = entries.withLock({ $0[id] }) else { return [] }
    guard let arena = entry.arena else {
      return [
        ArenaAnnouncement(
          arena: id, tier: entry.tier, role: .staging, slotBytes: entry.slotBytes, slotCount: entry.slotCount,
          descriptor: entry.data.descriptor)
      ]
    }
    return [
      ArenaAnnouncement(
        arena: id, tier: entry.tier, role: .data, slotBytes: entry.slotBytes, slotCount: entry.slotCount,
        descriptor: arena.dataDescriptor),
      ArenaAnnouncement(
        arena: id, tier: entry.tier, role: .generations, slotBytes: 8, slotCount: entry.slotCount,
        descriptor: arena.generationsDescriptor),
    ]
  }
}
