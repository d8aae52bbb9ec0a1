// Acquire and release: a worker's hold on resident blocks.

extension ResidencyCore {
  mutating func acquire(_ sequence: Sequence, _ chunk: Int, _ layer: Int, _ blocks: Range<Int>) throws(Violation) {
    guard chunk >= 0, chunk <= SequencePlan.maxChunks else { throw .badPlan("chunk \(chunk) is outside the plan") }
    for block in blocks where !sequence.flags[sequence.cell(layer, block)].isDisjoint(with: [.leased, .wanted]) {
      throw .alreadyAcquired(layer: layer, block: block)
    }
    advance(sequence, to: chunk * sequence.plan.layers + layer, blocks)
    var answers: [Residence] = []
    answers.reserveCapacity(blocks.count)
    for block in blocks { answers.append(answer(sequence, sequence.cell(layer, block))) }
    reply(sequence, .acquired(sequence.id, layer: layer, first: blocks.lowerBound, answers))
    sequence.isUnsettled = true
  }

  private mutating func advance(_ sequence: Sequence, to step: Int, _ blocks: Range<Int>) {
    if step == sequence.step, !sequence.window.isEmpty {
      let window = sequence.window
      sequence.window = min(window.lowerBound, blocks.lowerBound)..<max(window.upperBound, blocks.upperBound)
    } else {
      sequence.window = blocks
    }
    if step > sequence.step {
      sequence.pace.record(blocks: Int(useClock - sequence.stepClock), steps: step - sequence.step)
    }
    let left = sequence.layer
    if step != sequence.step { sequence.stepClock = useClock }
    let hasLeft = step > sequence.step
    sequence.step = step
    sequence.reachFrontier(sequence.layer, blocks.upperBound)
    // The chunk that is read now may have reserved its own blocks already: it still reads those it asks for.
    if hasLeft { passBlocks(sequence, left, before: left == sequence.layer ? blocks.lowerBound : .max) }
    // An absurd jump restarts the prefetch where the worker is.
    let ahead = sequence.prefetch.step - step
    if ahead < 1 || ahead > sequence.plan.layers {
      sequence.prefetch = PrefetchCursor(step: step + 1, block: sequence.window.lowerBound)
    }
  }

  private mutating func answer(_ sequence: Sequence, _ cell: Int) -> Residence {
    let handle = sequence.handles[cell]
    useClock += 1
    directory[handle].lastUse = useClock
    let copy = directory[handle][computeTier]
    let isResident = copy.state == .resident
    if isResident {
      statistics.hits += 1
      tenants[sequence.tenant].counts.hits += 1
    }
    if isResident, !waitsInOrder(sequence) {
      lease(handle, sequence, cell)
      return .resident(copy.slot, generation: copy.generation)
    }
    let block = directory[handle]
    guard block.isAnywhere || block.isSealing else {
      statistics.lost += 1
      tenants[sequence.tenant].counts.lost += 1
      return .lost
    }
    if !isResident {
      statistics.misses += 1
      tenants[sequence.tenant].counts.misses += 1
    }
    if sequence.plan.ordered { sequence.awaiting.append(cell) }
    sequence.flags[cell].insert(.wanted)
    sequence.waitingCount += 1
    sequence.wanted.append(cell)
    waiters.append(Waiter(group: sequence.group, cell: cell), to: handle)
    return .moving
  }

  /// Under `--ordered`, nothing is leased while an earlier block is awaited. What is leased is then always what the worker
  /// uses next, so that it can let go of it whatever becomes of the budget: leases of later blocks could hold the very
  /// memory the earlier one needs.
  private func waitsInOrder(_ sequence: Sequence) -> Bool {
    guard sequence.plan.ordered else { return false }
    while let cell = sequence.awaiting.first, !sequence.flags[cell].contains(.wanted) {
      _ = sequence.awaiting.popFirst()
    }
    return !sequence.awaiting.isEmpty
  }

  /// Leases awaited blocks that are resident, as far as they follow one another.
  mutating func grantInOrder(_ sequence: Sequence) {
    while waitsInOrder(sequence), let cell = sequence.awaiting.first {
      let handle = sequence.handles[cell]
      guard directory[handle][computeTier].state == .resident else { return }
      _ = sequence.awaiting.popFirst()
      let mine = Waiter(group: sequence.group, cell: cell)
      _ = waiters.popFirst(handle) { $0 == mine }
      grant(handle, sequence, cell)
    }
  }

  /// The block awaited first may have been evicted again while it waited its turn.
  mutating func resendHead(_ sequence: Sequence) {
    guard waitsInOrder(sequence), let cell = sequence.awaiting.first else { return }
    _ = sendFor(sequence.handles[cell], sequence, reclaiming: .awaited)
  }

  private mutating func lease(_ handle: BlockHandle, _ sequence: Sequence, _ cell: Int) {
    sequence.flags[cell].insert(.leased)
    sequence.leaseCount += 1
    if directory[handle][computeTier].ringOwner == sequence.group { directory[handle][computeTier].prefetchedFor = nil }
    directory[handle].leases += 1
    if sequence.plan.isPlanned { directory[handle].group = sequence.group } else { countUse(handle) }
    relist(handle)
  }

  /// A block came to be resident on the compute tier: whoever waited for it has it now, or in its turn.
  mutating func grantWaiters(_ handle: BlockHandle) {
    guard !waiters.isEmpty(handle) else { return }
    let sequences = sequences
    while let waiter = waiters.popFirst(handle, where: { !sequences[existing: $0.group].plan.ordered }) {
      grant(handle, sequences[existing: waiter.group], waiter.cell)
    }
    guard !waiters.isEmpty(handle) else { return }
    for waiter in waiters.of(handle) { grantInOrder(sequences[existing: waiter.group]) }
  }

  private mutating func grant(_ handle: BlockHandle, _ sequence: Sequence, _ cell: Int) {
    let copy = directory[handle][computeTier]
    sequence.flags[cell].remove(.wanted)
    sequence.waitingCount -= 1
    lease(handle, sequence, cell)
    let (layer, block) = (sequence.layer(ofCell: cell), sequence.block(ofCell: cell))
    reply(sequence, .ready(sequence.id, layer: layer, block: block, copy.slot, generation: copy.generation))
  }

  /// A block cannot be had: whoever waited for it must compute it again.
  mutating func loseWaiters(_ handle: BlockHandle) {
    while let waiter = waiters.popFirst(handle) {
      guard let sequence = sequences[waiter.group] else { continue }
      sequence.flags[waiter.cell].remove(.wanted)
      sequence.waitingCount -= 1
      statistics.lost += 1
      tenants[sequence.tenant].counts.lost += 1
      let (layer, block) = (sequence.layer(ofCell: waiter.cell), sequence.block(ofCell: waiter.cell))
      reply(sequence, .lost(sequence.id, layer: layer, block: block))
      sequences[waiter.group]?.isUnsettled = true
    }
  }

  mutating func stopWaiting(_ handle: BlockHandle, _ group: Int32) {
    while waiters.popFirst(handle, where: { $0.group == group }) != nil {}
  }

  mutating func release(_ sequence: Sequence, _ layer: Int, _ blocks: Range<Int>) throws(Violation) {
    for block in blocks where !sequence.flags[sequence.cell(layer, block)].contains(.leased) {
      throw .notLeased(layer: layer, block: block)
    }
    for block in blocks {
      let cell = sequence.cell(layer, block)
      sequence.flags[cell].remove(.leased)
      sequence.leaseCount -= 1
      endLease(sequence.handles[cell])
    }
    sequence.isUnsettled = true
  }

  mutating func endLease(_ handle: BlockHandle) {
    directory[handle].leases -= 1
    precondition(directory[handle].leases >= 0, "leases are counted")
    guard directory[handle].leases == 0 else { return }
    relist(handle)
    settleRing(handle)
    if computeTier == .host { settleTransit(handle) }
    settleRetired(handle)
    if isRoomWanted || self[computeTier].isShrinking || !placements.isEmpty { mayProceed = true }
  }
}
