import Synchronization
import TierCore
import TierMemory
import TierSpill

// Taking over the memory that an earlier life of the daemon left. Sessions are served meanwhile; who names a block
// that is not known yet waits until all that was left has been looked at, and only they.

extension Engine {
  /// Takes the arenas over, before anything else uses the core. Their blocks follow as their bytes verify.
  func adoptMemory() {
    guard !options.keptMemory.isEmpty else { return }
    let (kept, unusable) = KeptArena.find(options.keptMemory)
    for name in unusable {
      options.memoryKeeper?.drop(name: name)
      options.report("what was kept as \(name) is no memory of this daemon, and was dropped")
    }
    var held: [(SlotRef, Tier, FoundBlock)] = []
    beginSearch()
    for arena in kept {
      let slots = arena.heldSlots()
      giveBack(arena, keeping: slots)
      let node = home(of: arena.record)
      arenas.adopt(arena, node: node)
      handle(.arenaFound(arena.found(on: node, held: slots.keys.sorted())))
      held += slots.sorted { $0.key < $1.key }.map {
        (SlotRef(arena: arena.record.arena, index: $0.key), arena.record.tier, $0.value)
      }
    }
    let found = held
    adoption.withLock {
      $0 = EngineThread(name: "adoption") { [self] in
        verify(found)
        endSearch()
      }
    }
  }

  /// The node an arena's memory is to be on: where it was as long as there is a pool, else on the nearest that has one. Its
  /// pages follow.
  private func home(of record: ArenaRecord) -> Int? {
    let pools = options.hostNodes.map(\.id)
    guard record.tier == .host, let first = pools.first else { return nil }
    guard let node = record.node else { return first }
    return options.hostMemory.topology.distances.nearest(to: node, among: pools).first
  }

  /// Pages of slots that hold nothing, or nothing that can be told.
  private func giveBack(_ kept: KeptArena, keeping held: [UInt32: FoundBlock]) {
    for slot in 0..<UInt32(kept.record.slotCount) where held[slot] == nil {
      SlotRecord.clear(kept.arena.record(slot))
      guard !kept.record.isLasting else { continue }
      do throws(MemoryError) { try kept.arena.giveBack(slot) } catch { return options.report(error.message) }
    }
  }

  /// Reads every byte of what will be served.
  private func verify(_ held: [(SlotRef, Tier, FoundBlock)]) {
    var damaged = 0
    for (slot, tier, block) in held {
      guard !state.withLock({ $0.isStopping }) else { return }
      let bytes = arenas.bytes(slot).map {
        UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer($0)[..<block.layout.payloadBytes])
      }
      let isWhole = bytes.map { Checksum.of($0) == block.checksum } ?? false
      if !isWhole { damaged += 1 }
      handle(.slotFound(slot, tier, isWhole ? block : nil))
    }
    options.report(
      "\(held.count - damaged) blocks in memory were taken over from an earlier life"
        + (damaged > 0 ? ", \(damaged) were not as they should be and were dropped" : ""))
  }

  func beginSearch() {
    state.withLock { state in
      state.searches += 1
      if state.searches == 1 { carryOut(state.core.handle(.recoveryBegan), &state) }
    }
  }

  func endSearch() {
    state.withLock { state in
      guard state.searches > 0 else { return }
      state.searches -= 1
      if state.searches == 0 { carryOut(state.core.handle(.recoveryEnded), &state) }
    }
  }
}

extension KeptArena {
  func found(on node: Int?, held: [UInt32]) -> FoundArena {
    FoundArena(
      id: record.arena, tier: record.tier, tenant: record.tenant, slotBytes: record.slotBytes, node: node,
      isLasting: record.isLasting,
      generations: (0..<UInt32(record.slotCount)).map { arena.generation($0) }, held: held)
  }
}
