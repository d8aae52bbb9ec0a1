import Synchronization
import TierCore
import TierMemory
import TierSpill

// Carrying out what the core decided.

extension Engine {
  func carryOut(_ commands: [Command], _ state: inout State) {
    var replies: [(SessionID, Reply)] = []
    for command in commands {
      switch command {
      case .reply(let session, let reply):
        replies.append((session, reply))
        continue
      case .announce, .end: flush(&replies, state)
      default: break
      }
      carryOut(command, &state)
    }
    flush(&replies, state)
  }

  /// Sends collected replies, those of one session together.
  private func flush(_ replies: inout [(SessionID, Reply)], _ state: State) {
    var rest = replies[...]
    while let (session, _) = rest.first {
      let run = rest.prefix { $0.0 == session }
      state.outboxes[session]?.send(run.map(\.1))
      rest = rest.dropFirst(run.count)
    }
    replies.removeAll(keepingCapacity: true)
  }

  private func carryOut(_ command: Command, _ state: inout State) {
    switch command {
    case .openArena(let id, let tier, let tenant, let slotBytes, let slotCount, let place):
      reporting { () throws(MemoryError) in
        try arenas.open(id, tier, tenant, slotBytes: slotBytes, slotCount: slotCount, place)
      }
    case .openStaging(let id, _, let slotBytes, let slotCount, let shares):
      reporting { () throws(MemoryError) in
        try arenas.openStaging(id, slotBytes: slotBytes, slotCount: slotCount, shares)
      }
    case .closeStaging(let id): arenas.close(id)
    case .announce(let id, let session): state.outboxes[session]?.announce(arenas.announcements(id))
    case .assign(let slot, let generation): arenas.setGeneration(slot, generation)
    case .decommit(let slot): reporting { () throws(MemoryError) in try arenas.decommit(slot) }
    case .pin(let id): arenas.pin(id)
    case .unpin(let id): arenas.unpin(id)
    case .decommitArena(let id): reporting { () throws(MemoryError) in try arenas.decommit(id) }
    case .publish(let slot, let generation, let key, let layout, let checksum):
      arenas.publish(
        slot, SlotRecord(generation: generation, block: FoundBlock(key: key, layout: layout, checksum: checksum)))
    case .unpublish(let slot): arenas.unpublish(slot)
    case .ingest(let move, let from, let to, let layout): copy(move, from, to, layout, isIngest: true, &state)
    case .copy(let move, let from, let to, let layout): copy(move, from, to, layout, isIngest: false, &state)
    case .write(let move, let from, let key, let layout, let checksum): write(move, from, key, layout, checksum, &state)
    case .read(let move, let key, let layout, let checksum, let into): read(move, key, layout, checksum, into, &state)
    case .forget(let key): spill?.forget([key])
    case .setDiskCap(let bytes): setDiskCap(bytes)
    case .end(let session, let violation):
      state.outboxes.removeValue(forKey: session)?.end(violation)
      state.peers[session] = nil
      state.traces[session] = nil
    case .reply: preconditionFailure("replies are flushed")
    }
  }

  private func reporting(_ body: () throws(MemoryError) -> Void) {
    do throws(MemoryError) { try body() } catch { options.report(error.message) }
  }

  private func copy(
    _ move: MoveID, _ from: SlotRef, _ to: SlotRef, _ layout: BlockLayout, isIngest: Bool, _ state: inout State
  ) {
    guard let source = arenas.address(from), let target = arenas.address(to) else { return fail(move, &state) }
    let job = CopyJob(move: move, from: source, to: target, bytes: layout.payloadBytes, isIngest: isIngest)
    let goesToDevice = arenas.tier(to.arena) == .device
    movers.withLock { movers in
      guard let movers else { return }
      let mover = isIngest ? movers.births(toDevice: goesToDevice) : goesToDevice ? movers.up : movers.down
      mover.push(job, node: mover.isDivided ? arenas.node(from.arena) : nil)
    }
  }

  private func write(
    _ move: MoveID, _ from: SlotRef, _ key: BlockKey, _ layout: BlockLayout, _ checksum: UInt64, _ state: inout State
  ) {
    guard let bytes = arenas.bytes(from) else { return fail(move, &state) }
    let payload = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(bytes)[..<layout.payloadBytes])
    withDisk {
      $0.push(
        DiskMover.Write(move: move, block: BlockWrite(key: key, layout: layout, checksum: checksum, bytes: payload)))
    }
  }

  private func read(
    _ move: MoveID, _ key: BlockKey, _ layout: BlockLayout, _ checksum: UInt64, _ into: SlotRef, _ state: inout State
  ) {
    guard let bytes = arenas.bytes(into) else { return fail(move, &state) }
    let payload = UnsafeMutableRawBufferPointer(rebasing: bytes[..<layout.payloadBytes])
    withDisk {
      $0.push(DiskMover.Read(move: move, key: key, layout: layout, checksum: checksum, into: payload))
    }
  }

  /// A move between slots whose memory is not to be had ends at once.
  private func fail(_ move: MoveID, _ state: inout State) {
    carryOut(state.core.handle(.moved(move, .failed)), &state)
  }

  private func setDiskCap(_ bytes: Int) {
    do throws(SpillError) { try spill?.setCap(bytes) } catch { options.report(error.message) }
  }
}
