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

  init(keeper: (any MemoryKeeper)?, device: (any DeviceBackend)?) {
    self.keeper = keeper
    self.device = device
  }

  func open(_ id: ArenaID, _ tier: Tier, _ tenant: TenantID, slotBytes: Int, slotCount: Int) throws(MemoryError) {
    if tier == .device, let device {
      return try openDevice(id, device, slotBytes: slotBytes, slotCount: slotCount)
    }
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
      $0[id] = Entry(tier: .device, slotBytes: slotBytes, slotCount: slotCount, memory: .device(arena))
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
      $0[id] = Entry(tier: tier, slotBytes: slotBytes, slotCount: slotCount, memory: .arena(arena))
    }
  }

  func openStaging(_ id: ArenaID, slotBytes: Int, slotCount: Int) throws(MemoryError) {
    let file = try MemoryFile(name: "tierd-staging-\(id.rawValue)", sizeBytes: slotBytes * slotCount)
    entries.withLock {
      $0[id] = Entry(tier: .host, slotBytes: slotBytes, slotCount: slotCount, memory: .staging(file))
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
