import Synchronization
import TierCore
import TierMemory

/// The memory behind every arena id. Addresses are looked up here, when a move starts.
final class ArenaTable: Sendable {
  /// What an arena is made of.
  enum Memory {
    case arena(MemoryArena)
    case device(DeviceArena)
    case staging(MemoryFile)
  }

  struct Entry {
    let tier: Tier
    let slotBytes: Int
    let slotCount: Int
    let memory: Memory
    /// Where it is host memory: how that is had.
    let host: HostMemory?

    var isStaging: Bool { if case .staging = memory { true } else { false } }

    /// Nil where the slots are not in the host's memory.
    var base: UnsafeMutableRawPointer? {
      switch memory {
      case .arena(let arena): arena.data.base
      case .staging(let file): file.base
      case .device: nil
      }
    }
  }

  private let entries = Mutex<[ArenaID: Entry]>([:])
  /// Who keeps arenas beyond this process; nil where nobody does.
  private let keeper: (any MemoryKeeper)?
  /// Where the device tier's memory comes from; nil where it is the host's.
  private let device: (any DeviceBackend)?

  private let memory: HostMemorySystem
  /// Brings arenas in that are to be in memory as a whole.
  private let pinner = Pinner()

  init(keeper: (any MemoryKeeper)?, memory: HostMemorySystem, device: (any DeviceBackend)?) {
    (self.keeper, self.memory, self.device) = (keeper, memory, device)
  }

  func open(
    _ id: ArenaID, _ tier: Tier, _ tenant: TenantID, slotBytes: Int, slotCount: Int, _ place: ArenaPlace
  ) throws(MemoryError) {
    if tier == .device, let device {
      return try openDevice(id, device, slotBytes: slotBytes, slotCount: slotCount)
    }
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

  /// A device's memory does not outlive the process: nobody keeps it.
  private func openDevice(
    _ id: ArenaID, _ device: any DeviceBackend, slotBytes: Int, slotCount: Int
  ) throws(MemoryError) {
    let memory: any DeviceMemory
    do throws(DeviceError) {
      memory = try device.makeMemory(sizeBytes: slotBytes * slotCount)
    } catch { throw .device(error) }
    let arena = try DeviceArena(
      name: "tierd-device-\(id.rawValue)", memory: memory, slotBytes: slotBytes, slotCount: slotCount)
    entries.withLock {
      $0[id] = Entry(tier: .device, slotBytes: slotBytes, slotCount: slotCount, memory: .device(arena), host: nil)
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
      $0[id] = Entry(tier: tier, slotBytes: slotBytes, slotCount: slotCount, memory: .arena(arena), host: host)
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
        tier: .host, slotBytes: slotBytes, slotCount: slotCount, memory: .staging(host.file), host: host)
    }
    if memory.registers { pinner.pin(host) }
  }

  /// All of the arena comes into memory, on a thread of its own.
  func pin(_ id: ArenaID) { if let host = host(id) { pinner.pin(host) } }

  func unpin(_ id: ArenaID) { host(id)?.unpin() }

  /// Gives the slot's pages back. A worker of an earlier life of the daemon may still read it, and has not noticed yet that
  /// its lease is over: before the bytes go, the generation says so. The slot's next assignment has this one or a later.
  func decommit(_ slot: SlotRef) throws(MemoryError) {
    guard let entry = entries.withLock({ $0[slot.arena] }), case .arena(let arena) = entry.memory else { return }
    arena.retire(slot.index)
    guard let host = entry.host else { return try arena.decommit(slot.index) }
    try host.decommit(offset: Int(slot.index) * entry.slotBytes, count: entry.slotBytes)
  }

  /// The same of all of its slots.
  func decommit(_ id: ArenaID) throws(MemoryError) {
    guard let entry = entries.withLock({ $0[id] }), case .arena(let arena) = entry.memory, let host = entry.host else {
      return
    }
    for slot in 0..<UInt32(entry.slotCount) { arena.retire(slot) }
    host.unpin()
    try host.decommit(offset: 0, count: host.file.sizeBytes)
  }

  private func host(_ id: ArenaID) -> HostMemory? { entries.withLock { $0[id]?.host } }

  /// The node of the host that an arena lies on.
  func node(_ id: ArenaID) -> Int? { host(id)?.node }

  /// How the memory of an arena, and of all staging arenas, is kept.
  func use(_ id: ArenaID) -> HostMemoryUse? { host(id)?.use }
  func stagingUse() -> [(node: Int?, bytes: Int, use: HostMemoryUse)] {
    entries.withLock { $0.values.filter(\.isStaging) }
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

  /// Nil where the arena could not be opened, is closed, has no such slot, or is not in the host's memory.
  func bytes(_ slot: SlotRef) -> UnsafeMutableRawBufferPointer? {
    guard let entry = entries.withLock({ $0[slot.arena] }), slot.index < entry.slotCount, let base = entry.base else {
      return nil
    }
    return UnsafeMutableRawBufferPointer(start: base + Int(slot.index) * entry.slotBytes, count: entry.slotBytes)
  }

  /// Nil where the arena could not be opened, is closed, or has no such slot.
  func address(_ slot: SlotRef) -> SlotAddress? {
    guard let entry = entries.withLock({ $0[slot.arena] }), slot.index < entry.slotCount else { return nil }
    if case .device(let arena) = entry.memory { return .device(arena.slot(slot.index)) }
    return entry.base.map { .host($0 + Int(slot.index) * entry.slotBytes) }
  }

  func tier(_ id: ArenaID) -> Tier? { entries.withLock { $0[id]?.tier } }

  /// Of an arena in the host's memory whose slots hold sealed blocks.
  func arena(_ id: ArenaID) -> MemoryArena? {
    guard case .arena(let arena)? = entries.withLock({ $0[id]?.memory }) else { return nil }
    return arena
  }

  func setGeneration(_ slot: SlotRef, _ generation: UInt64) {
    switch entries.withLock({ $0[slot.arena]?.memory }) {
    case .arena(let arena): arena.setGeneration(slot.index, generation)
    case .device(let arena): arena.setGeneration(slot.index, generation)
    case .staging, nil: break
    }
  }

  /// Nil for a slot without one: of no arena, or of a staging arena.
  func generation(_ slot: SlotRef) -> UInt64? {
    switch entries.withLock({ $0[slot.arena]?.memory }) {
    case .arena(let arena): arena.generation(slot.index)
    case .device(let arena): arena.generation(slot.index)
    case .staging, nil: nil
    }
  }

  func announcements(_ id: ArenaID) -> [ArenaAnnouncement] {
    guard let entry = entries.withLock({ $0[id] }) else { return [] }
    func region(_ role: ArenaAnnouncement.Role, _ descriptor: Int32, _ memory: ArenaMemory = .file) -> ArenaAnnouncement
    {
      ArenaAnnouncement(
        arena: id, tier: entry.tier, role: role, slotBytes: role == .generations ? 8 : entry.slotBytes,
        slotCount: entry.slotCount, descriptor: descriptor, memory: memory)
    }
    switch entry.memory {
    case .staging(let file): return [region(.staging, file.descriptor)]
    case .arena(let arena):
      return [region(.data, arena.dataDescriptor), region(.generations, arena.generationsDescriptor)]
    case .device(let arena):
      guard let device else { return [] }
      let memory = ArenaMemory.cuda(device: device.uuid.bytes, allocationBytes: arena.data.sizeBytes)
      return [region(.data, arena.data.descriptor, memory), region(.generations, arena.generationsDescriptor)]
    }
  }
}

/// Where a slot is.
enum SlotAddress: @unchecked Sendable {
  case host(UnsafeMutableRawPointer)
  /// In the device's own addresses.
  case device(UInt64)
}
