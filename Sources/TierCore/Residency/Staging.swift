// Staging slots and seals: how a block is born.

extension ResidencyCore {
  static let outstandingReservations = 16

  mutating func reserve(_ sequence: Sequence, _ layer: Int, _ blocks: Range<Int>) throws(Violation) {
    for block in blocks where !sequence.flags[sequence.cell(layer, block)].isDisjoint(with: [.reserved, .sealing]) {
      throw .alreadyReserved(layer: layer, block: block)
    }
    guard blocks.count <= sequence.plan.stagingSlots else {
      throw .badPlan("\(blocks.count) blocks reserved at once, of \(sequence.plan.stagingSlots) staging slots")
    }
    guard sequence.reservations.count < Self.outstandingReservations else {
      throw .tooManyOutstanding(limit: Self.outstandingReservations)
    }
    sequence.reachFrontier(layer, blocks.upperBound)
    sequence.reservations.append(Sequence.Reservation(layer: layer, blocks: blocks))
    serveReservations(sequence)
  }

  /// Grants staging slots in the order asked, each reservation whole.
  private mutating func serveReservations(_ sequence: Sequence) {
    while let next = sequence.reservations.first {
      let fresh = next.blocks.filter { block in
        !isHeldOrPassed(sequence, sequence.cell(next.layer, block))
      }
      guard fresh.count <= sequence.staging!.free.count else { return }
      _ = sequence.reservations.popFirst()
      var granted: [Staged] = []
      granted.reserveCapacity(next.blocks.count)
      for block in next.blocks {
        let cell = sequence.cell(next.layer, block)
        // Reserved twice over the same range while queued: the second finds the first's slot taken.
        guard !isHeldOrPassed(sequence, cell), sequence.flags[cell].isDisjoint(with: [.reserved, .sealing])
        else {
          granted.append(.duplicate)
          continue
        }
        let slot = sequence.staging!.free.removeLast()
        sequence.staging!.slots[cell] = slot
        sequence.flags[cell].insert(.reserved)
        granted.append(.slot(slot))
      }
      reply(sequence, .reserved(sequence.id, layer: next.layer, first: next.blocks.lowerBound, granted))
    }
  }

  /// Whether it is no use to write the block.
  private func isHeldOrPassed(_ sequence: Sequence, _ cell: Int) -> Bool {
    sequence.flags[cell].contains(.passed) || directory[sequence.handles[cell]].isAnywhere
  }

  mutating func seal(_ sequence: Sequence, _ layer: Int, _ blocks: Range<Int>) throws(Violation) {
    for block in blocks where !sequence.flags[sequence.cell(layer, block)].contains(.reserved) {
      throw .notReserved(layer: layer, block: block)
    }
    for block in blocks {
      let cell = sequence.cell(layer, block)
      let handle = sequence.handles[cell]
      sequence.flags[cell].remove(.reserved)
      sequence.flags[cell].insert(.sealing)
      let sealer = Waiter(group: sequence.group, cell: cell)
      if sequence.flags[cell].contains(.passed) {
        answerSeal(sealer, .dropped)
        continue
      }
      if directory[handle].isAnywhere || directory[handle].isSealing {
        answerSeal(sealer, .duplicate)
        continue
      }
      directory[handle].isSealing = true
      if lists.isIdle(directory[handle].group) { regroup(handle, to: sequence.listGroup) }
      placements.append(Seal(handle: handle, sealer: sealer))
    }
    serveReservations(sequence)
    mayProceed = true
  }

  /// Finds places for sealed blocks, in the order they were sealed.
  mutating func placeWaiting() {
    while let next = placements.first {
      guard placeOne(next) else { break }
      _ = placements.popFirst()
    }
    if tenants.hasLimits, placements.count > 1 { placeBehind() }
  }

  /// Whoever waits for room keeps back their own tenant's alone.
  private mutating func placeBehind() {
    var waiting: [TenantID] = []
    var rest: [Seal] = []
    for next in placements.elements {
      let tenant = directory[next.handle].key.tenant
      guard waiting.contains(tenant) || !placeOne(next) else { continue }
      rest.append(next)
      if !waiting.contains(tenant) { waiting.append(tenant) }
    }
    guard rest.count < placements.count else { return }
    placements = Fifo()
    for seal in rest { placements.append(seal) }
  }

  /// False where it waits.
  private mutating func placeOne(_ next: Seal) -> Bool {
    guard let sequence = sequences[next.sealer.group] else {
      preconditionFailure("a closed sequence has no seals waiting")
    }
    switch place(next.handle, of: sequence) {
    case .waits: return false
    case .nowhere: dropSeal(next)
    case .on(let tier): startIngest(next, sequence, tier)
    }
    return true
  }

  private mutating func startIngest(_ seal: Seal, _ sequence: Sequence, _ tier: Tier) {
    let staging = sequence.staging!
    let slot = staging.slots[seal.sealer.cell]!
    sequence.staging!.ingests += 1
    directory[seal.handle].isSealing = false
    directory[seal.handle][tier].isMoving = true
    let move = begin(.ingest(seal.handle, tier, staging: staging.arena, slot: slot, sealer: seal.sealer))
    let block = directory[seal.handle]
    emit(.ingest(move, from: SlotRef(arena: staging.arena, index: slot), to: block[tier].slot, block.layout))
  }

  /// `checksum` is nil where the bytes did not arrive.
  mutating func finishIngest(
    _ handle: BlockHandle, _ tier: Tier, _ staging: ArenaID, _ slot: UInt32, _ sealer: Waiter, checksum: UInt64?
  ) {
    directory[handle][tier].isMoving = false
    finishStagingRead(sealer, staging)
    guard let checksum else {
      dropArriving(handle, tier)
      answerSeal(sealer, .dropped)
      return
    }
    directory[handle].checksum = checksum
    let moves = directory[handle].layout.payloadBytes
    count(tier == .device ? \.bornOnDevice : \.bornOnHost, bytes: moves)
    let isSpilled = !directory[handle].layout.isDroppable
    if isSpilled, sequences[sealer.group] != nil { durabilityOwed[handle] = sealer }
    arrived(handle, on: tier)
    queueTransitWrite(handle)
    answerSeal(sealer, .accepted)
  }

  private mutating func finishStagingRead(_ sealer: Waiter, _ arena: ArenaID) {
    if let sequence = sequences[sealer.group], sequence.staging?.arena == arena {
      sequence.staging!.ingests -= 1
    } else if var staging = closingStaging[arena] {
      staging.ingests -= 1
      closingStaging[arena] = staging
      if staging.ingests == 0 { closeStaging(staging) }
    }
  }

  /// Tells the worker, and frees the block's staging slot.
  private mutating func answerSeal(_ sealer: Waiter, _ outcome: SealOutcome) {
    guard let sequence = sequences[sealer.group] else { return }
    sequence.flags[sealer.cell].remove(.sealing)
    if let slot = sequence.staging!.slots.removeValue(forKey: sealer.cell) { sequence.staging!.free.append(slot) }
    let (layer, block) = (sequence.layer(ofCell: sealer.cell), sequence.block(ofCell: sealer.cell))
    reply(sequence, .sealed(sequence.id, layer: layer, block: block, outcome))
    serveReservations(sequence)
  }

  private mutating func dropSeal(_ seal: Seal) {
    directory[seal.handle].isSealing = false
    answerSeal(seal.sealer, .dropped)
    loseWaiters(seal.handle)
    directory.removeIfUnused(seal.handle)
  }

  /// What a closing sequence had staged or sealed and not yet placed is forgotten. Blocks being ingested go on: their
  /// bytes are complete, and the staging arena stays until they are read.
  mutating func abandonSeals(of sequence: Sequence) {
    let abandoned = placements.elements.filter { $0.sealer.group == sequence.group }
    placements.removeAll { $0.sealer.group == sequence.group }
    for seal in abandoned {
      directory[seal.handle].isSealing = false
      loseWaiters(seal.handle)
    }
    guard let staging = sequence.staging else { return }
    sequence.staging = nil
    if staging.ingests == 0 { closeStaging(staging) } else { closingStaging[staging.arena] = staging }
  }

  private mutating func closeStaging(_ staging: Staging) {
    closingStaging[staging.arena] = nil
    emit(.closeStaging(staging.arena))
    var steps: [Pool.Step] = []
    host.freeStaging(staging.pieces, steps: &steps)
    carryOut(steps, on: .host)
    mayProceed = true
  }

  mutating func count(_ moves: WritableKeyPath<StoreStatistics, StoreStatistics.Moves>, bytes: Int) {
    statistics[keyPath: moves].blocks += 1
    statistics[keyPath: moves].bytes += bytes
  }
}
