import TierCore

/// Memory and a disk made of one number per slot or record, and moves that finish late, in any order, or not well.
struct SimulatedShell {
  struct PendingMove {
    let id: MoveID
    let command: Command
  }
  struct Record {
    let content: UInt64
    let checksum: UInt64
    let storedBytes: Int
  }

  private(set) var memory: [SlotRef: UInt64] = [:]
  private(set) var generations: [SlotRef: UInt64] = [:]
  private(set) var disk: [BlockKey: Record] = [:]
  private(set) var pending: [PendingMove] = []
  private(set) var openStagings: Set<ArenaID> = []
  /// Arenas of memory, and what their slots are said to hold: this outlives the daemon.
  private(set) var arenas:
    [ArenaID: (tier: Tier, tenant: TenantID, slotBytes: Int, slotCount: Int, place: ArenaPlace)] = [:]
  /// Of those, the ones that are in memory as a whole.
  private(set) var pinned: Set<ArenaID> = []
  private(set) var published: [SlotRef: FoundBlock] = [:]
  /// What was published or assigned against the rules.
  private(set) var fault: String?
  var diskCapBytes: Int
  var diskUsedBytes: Int { disk.values.reduce(0) { $0 + $1.storedBytes } }

  /// The checksum of a content is its bits turned: any function serves, as long as it is one to one.
  static func checksum(_ content: UInt64) -> UInt64 { ~content }

  init(diskCapBytes: Int) { self.diskCapBytes = diskCapBytes }

  mutating func writeStaging(_ slot: SlotRef, _ content: UInt64) { memory[slot] = content }

  /// Carries out what takes no time; keeps the rest to finish later.
  mutating func carryOut(_ command: Command) {
    switch command {
    case .openStaging(let arena, _, _, _, _): openStagings.insert(arena)
    case .closeStaging(let arena):
      openStagings.remove(arena)
      memory = memory.filter { $0.key.arena != arena }
    case .openArena(let arena, let tier, let tenant, let slotBytes, let slotCount, let place):
      arenas[arena] = (tier, tenant, slotBytes, slotCount, place)
    case .publish(let slot, let generation, let key, let layout, let checksum):
      published[slot] = FoundBlock(key: key, layout: layout, checksum: checksum)
      if memory[slot].map(Self.checksum) != checksum || generations[slot] != generation {
        fault = "a slot is published that does not hold its block"
      }
    case .unpublish(let slot): published[slot] = nil
    case .assign(let slot, let generation):
      if published[slot] != nil { fault = "a published slot is assigned anew" }
      generations[slot] = generation
      memory[slot] = 0xDEAD_0000 | UInt64(slot.index)
    case .decommit(let slot):
      if published[slot] != nil { fault = "a published slot is decommitted" }
      if pinned.contains(slot.arena) { fault = "a slot of a pinned arena is decommitted" }
      memory[slot] = 0
    case .pin(let arena): if !pinned.insert(arena).inserted { fault = "an arena is pinned twice" }
    case .unpin(let arena): unpin(arena)
    case .decommitArena(let arena):
      unpin(arena)
      for slot in published.keys where slot.arena == arena { fault = "an arena with \(slot) published is decommitted" }
      for index in 0..<UInt32(arenas[arena]?.slotCount ?? 0) { memory[SlotRef(arena: arena, index: index)] = 0 }
    case .ingest(let id, _, _, _), .copy(let id, _, _, _), .write(let id, _, _, _, _), .read(let id, _, _, _, _):
      pending.append(PendingMove(id: id, command: command))
    case .forget(let key): disk[key] = nil
    case .setDiskCap(let bytes): diskCapBytes = bytes
    case .announce, .reply, .end: break
    }
  }

  private mutating func unpin(_ arena: ArenaID) {
    if pinned.remove(arena) == nil { fault = "an arena that is not pinned is unpinned" }
  }

  /// Finishes one pending move, with a fault or without.
  mutating func finishOne(_ random: inout SeededRandom, _ faults: Scenario.Faults) -> Event? {
    guard !pending.isEmpty else { return nil }
    let move = pending.remove(at: Int.random(in: 0..<pending.count, using: &random))
    return .moved(move.id, outcome(move.command, &random, faults))
  }

  private mutating func outcome(
    _ command: Command, _ random: inout SeededRandom, _ faults: Scenario.Faults
  ) -> MoveOutcome {
    switch command {
    case .ingest(_, let from, let to, _):
      if random.once(in: faults.copiesFail) { return .failed }
      memory[to] = memory[from]
      return .ingested(checksum: Self.checksum(memory[to]!))
    case .copy(_, let from, let to, _):
      if random.once(in: faults.copiesFail) { return .failed }
      memory[to] = memory[from]
      return .copied
    case .write(_, let from, let key, let layout, let checksum):
      if random.once(in: faults.writeFails) { return .failed }
      let stored = layout.payloadBytes / 4 * random.int(2...4)
      if diskUsedBytes + stored > diskCapBytes { return .full }
      disk[key] = Record(content: memory[from]!, checksum: checksum, storedBytes: stored)
      return .durable(storedBytes: stored)
    case .read(_, let key, _, let checksum, let into):
      guard let record = disk[key] else { return .corrupt }
      if random.once(in: faults.readFails) { return .failed }
      let content = random.once(in: faults.readCorrupts) ? record.content ^ 1 : record.content
      memory[into] = content
      return Self.checksum(content) == checksum ? .verified : .corrupt
    default: preconditionFailure("only moves are pending")
    }
  }

  /// What is in memory is gone, and with it every move; arenas are not, where somebody kept them.
  mutating func restart(keepsMemory: Bool) {
    (pending, openStagings) = ([], [])
    if !keepsMemory { (arenas, published) = ([:], [:]) }
    pinned = Set(arenas.keys.filter { arenas[$0]?.place.commitment == .lasting })
    let kept = arenas
    memory = memory.filter { kept[$0.key.arena] != nil }
    generations = generations.filter { kept[$0.key.arena] != nil }
  }

  /// The arenas that were kept, as a new life finds them.
  func foundArenas() -> [FoundArena] {
    arenas.sorted { $0.key < $1.key }.map { id, arena in
      FoundArena(
        id: id, tier: arena.tier, tenant: arena.tenant, slotBytes: arena.slotBytes,
        node: arena.place.node, isLasting: arena.place.commitment == .lasting,
        generations: (0..<UInt32(arena.slotCount)).map { generations[SlotRef(arena: id, index: $0)] ?? 0 },
        held: published.keys.filter { $0.arena == id }.map(\.index).sorted())
    }
  }

  /// What a slot is found to hold: its bytes are verified first, and some have changed meanwhile.
  mutating func lookAt(_ slot: SlotRef, _ random: inout SeededRandom) -> Event {
    if random.once(in: 8) { memory[slot]! ^= 1 }
    let block = published[slot].flatMap { Self.checksum(memory[slot]!) == $0.checksum ? $0 : nil }
    return .slotFound(slot, arenas[slot.arena]!.tier, block)
  }

  /// A record the spill gave up by itself; it tells the core.
  mutating func loseRecord(_ random: inout SeededRandom) -> BlockKey? {
    let busy = pending.compactMap { move -> BlockKey? in
      if case .read(_, let key, _, _, _) = move.command { return key }
      return nil
    }
    let keys = disk.keys.filter { !busy.contains($0) }.sorted {
      $0.id.a < $1.id.a || ($0.id.a == $1.id.a && $0.layer < $1.layer)
    }
    guard let key = keys.randomElement(using: &random) else { return nil }
    disk[key] = nil
    return key
  }
}
