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
    /// Where it is host memory: how that is had.
    let host: HostMemory?
  }

  private let entries = Mutex<[ArenaID: Entry]>([:])
  /// Who keeps arenas beyond this process; nil where nobody does.
  private let keeper: (any MemoryKeeper)?

  private let memory: HostMemorySystem
  /// Brings arenas in that are to be in memory as a whole.
  private let pinner = Pinner()

  init(keeper: (any MemoryKeeper)?, memory: HostMemorySystem) { (self.keeper, self.memory) = (keeper, memory) }

  func open(
    _ id: ArenaID, _ tier: Tier, _ tenant: TenantID, slotBytes: Int, slotCount: Int, _ place: ArenaPlace
  ) throws(MemoryError) {
    let name = "tierd-\(tier.name)-\(id.rawValue)"
    let recordBytes = keeper != nil ? ArenaRecord.fileBytes(slots: slotCount) : 0
    var host: HostMemory?
    if tier == .host {
      host = try memory.make(
        name: name, sizeBytes: slotBytes * slotCount, node: place.node, isLasting: place.commitment == .lasting)
    }
    let data: MemoryFile
    if let host { data = host.file } else { data = try MemoryFile(name: name, sizeBytes: slotBytes * slotCount) }
    let arena = try MemoryArena(
      name: name, data: data, slotBytes: slotBytes, slotCount: slotCount, recordBytes: recordBytes)
    add(arena, id, tier, host)
    if let records = arena.records {
      ArenaRecord(
        arena: id, tier: tier, tenant: tenant, slotBytes: slotBytes, slotCount: slotCount, node: place.node,
        isLasting: place.commitment == .lasting
      ).write(to: records.base)
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
  /// - Parameter node: where its memory is to be from now on.
  func adopt(_ kept: KeptArena, node: Int?) {
    let host = kept.record.tier == .host ? memory.adopt(kept.arena.data, node: node) : nil
    add(kept.arena, kept.record.arena, kept.record.tier, host)
  }

  private func add(_ arena: MemoryArena, _ id: ArenaID, _ tier: Tier, _ host: HostMemory?) {
    let (slotBytes, slotCount) = (arena.slotBytes, arena.slotCount)
    entries.withLock {
      $0[id] = Entry(
        tier: tier, role: .data, slotBytes: slotBytes, slotCount: slotCount, data: arena.data, arena: arena,
        host: host)
    }
  }

  func openStaging(
    _ id: ArenaID, slotBytes: Int, slotCount: Int, _ shares: [StagingShare]
  ) throws(MemoryError) {
    let host = try memory.makeStaging(
      name: "tierd-staging-\(id.rawValue)", sizeBytes: slotBytes * slotCount,
      shares: shares.map { ($0.node, $0.bytes) })
    entries.withLock {
      $0[id] = Entry(
        tier: .host, role: .staging, slotBytes: slotBytes, slotCount: slotCount, data: host.file, arena: nil, host: host
      )
    }
    if memory.registers { pinner.pin(host) }
  }

  /// All of the arena comes into memory, on a thread of its own.
  func pin(_ id: ArenaID) { if let host = host(id) { pinner.pin(host) } }

  func unpin(_ id: ArenaID) { host(id)?.unpin() }

  func decommit(_ slot: SlotRef) throws(MemoryError) {
    guard let entry = entries.withLock({ $0[slot.arena] }) else { return }
    guard let host = entry.host else { return try entry.arena?.decommit(slot.index) ?? () }
    try host.decommit(offset: Int(slot.index) * entry.slotBytes, count: entry.slotBytes)
  }

  func decommit(_ id: ArenaID) throws(MemoryError) {
    guard let host = host(id) else { return }
    host.unpin()
    try host.decommit(offset: 0, count: host.file.sizeBytes)
  }

  private func host(_ id: ArenaID) -> HostMemory? { entries.withLock { $0[id]?.host } }

  /// The node of the host that an arena lies on.
  func node(_ id: ArenaID) -> Int? { host(id)?.node }

  /// How the memory of an arena, and of all staging arenas, is kept.
  func use(_ id: ArenaID) -> HostMemoryUse? { host(id)?.use }
  func stagingUse() -> [(node: Int?, bytes: Int, use: HostMemoryUse)] {
    entries.withLock { $0.values.filter { $0.role == .staging } }
      .compactMap { entry in entry.host.map { ($0.node, entry.slotBytes * entry.slotCount, $0.use) } }
  }

  /// Ends the thread that brings memory in.
  func stop() { pinner.stop() }

  func publish(_ slot: SlotRef, _ record: SlotRecord) {
    guard let arena = arena(slot.arena), arena.records != nil else { return }
    record.write(to: arena.record(slot.index))
  }

  func unpublish(_ slot: SlotRef) {
    guard let arena = arena(slot.arena), arena.records != nil else { return }
    SlotRecord.clear(arena.record(slot.index))
  }

  func close(_ id: ArenaID) {
    // What was registered is unregistered before its memory goes, whoever still holds it.
    entries.withLock { $0.removeValue(forKey: id) }?.host?.unpin()
  }

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
