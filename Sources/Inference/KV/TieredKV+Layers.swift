import TierCore

extension TieredKV {
  /// Readies `layer`: staging slots for its own blocks are in hand, and its past blocks are asked for.
  func prepare(layer: Int) throws(KVError) {
    if let ready = upcoming, ready.layer == layer {
      current = ready
    } else {
      current = makeStep(layer: layer)
    }
    upcoming = nil
    state.attempts.removeAll(keepingCapacity: true)
    placeOwnBlocks(layer: layer)
    if case .none = current!.staging {
      current!.staging = .asked
      try send(.reserve(sequence, layer: layer, blocks: current!.ownFull))
    }
    // Nothing is leased at this point: leases are asked for only once the staging slots are ours.
    try waitForReplies(.staging, "staging slots of layer \(layer)") { $0.current!.isStagingGranted }
    if !current!.isAcquired {
      current!.isAcquired = true
      try acquire(layer: layer, blocks: current!.pastBlocks)
    }
  }

  /// The chunk's K and V of the current layer are in the chunk's own blocks: hands over what is full.
  func written() throws(KVError) {
    guard case .granted(let slots) = current!.staging, let staging = state.staging else {
      preconditionFailure("K and V are written after `prepare`")
    }
    let layer = current!.layer
    if let onBlock {
      for own in chunk.ownBlocks.prefix(current!.ownFull.count) {
        onBlock(layer, own.index, UnsafeRawBufferPointer(start: own.bytes, count: layout.payloadBytes))
      }
    }
    var sealed: [Int] = []
    for (own, slot) in zip(chunk.ownBlocks, slots) {
      guard case .slot(let index) = slot else {
        statistics.blocksDuplicate += 1
        continue
      }
      try stage(own, arena: staging.arena, slot: index)
      sealed.append(own.index)
    }
    for run in runs(of: sealed) {
      state.sealsAwaited += run.count
      try send(.seal(sequence, layer: layer, blocks: run))
    }
    if layer + 1 < layers, chunk.again == nil { upcoming = makeStep(layer: layer + 1) }
    try advance()
    try drain()
  }

  private func stage(_ own: OwnBlock, arena: ArenaID, slot: UInt32) throws(KVError) {
    do throws(ResidencyError) {
      let target = try session.stagingBytes(arena: arena, slot: slot)
      guard target.count >= layout.payloadBytes else {
        throw .badSlot("staging slot \(slot) has \(target.count) bytes, a block needs \(layout.payloadBytes)")
      }
      target.copyMemory(from: UnsafeRawBufferPointer(start: own.bytes, count: layout.payloadBytes))
    } catch {
      throw .residency(error)
    }
  }

  /// Asks ahead for what the next layer needs, as far as the rules allow.
  func advance() throws(KVError) {
    guard let next = upcoming else { return }
    if case .none = next.staging {
      upcoming!.staging = .asked
      try send(.reserve(sequence, layer: next.layer, blocks: next.ownFull))
    }
    // What this layer still waits for comes first: slots are granted in the order they were asked for.
    if next.isStagingGranted, !next.isAcquired, let current, current.isAcquired, current.waitingCount == 0 {
      upcoming!.isAcquired = true
      try acquire(layer: next.layer, blocks: next.pastBlocks)
    }
  }

  func acquire(layer: Int, blocks: Range<Int>) throws(KVError) {
    if current?.layer == layer { current!.asked(blocks.count) } else { upcoming!.asked(blocks.count) }
    var start = blocks.lowerBound
    // The store learns from an acquire that layers were left, and what they passed: a hybrid's say where they are even
    // where they read nothing.
    if blocks.isEmpty, isHybrid, chunk.again == nil {
      try send(.acquire(sequence, chunk: acquiredChunk, layer: layer, blocks: blocks))
    }
    while start < blocks.upperBound {
      let end = min(start + Self.blocksPerRequest, blocks.upperBound)
      try send(.acquire(sequence, chunk: acquiredChunk, layer: layer, blocks: start..<end))
      start = end
    }
  }

  /// Past blocks of the current layer to attend next; empty when all have been. Waits for the store if none is there.
  /// - Throws: `.lost`, `.stalled`, and what the store says.
  func nextBatch() throws(KVError) -> [LeasedBlock] {
    if !current!.local.isEmpty {
      defer { current!.local.removeAll() }
      return current!.local
    }
    while true {
      try drain()
      let layer = current!.layer
      guard current!.lost.isEmpty else { throw .lost(layer: layer, blocks: current!.lost) }
      let batch = current!.takeBatch(limit: Self.batchBlocks, ordered: options.ordered)
      if !batch.isEmpty { return try leased(batch) }
      if current!.isAllUsed { return [] }
      let before = current!.waitingCount
      try waitForReplies(.blocks, "\(before) blocks of layer \(layer)") {
        $0.current!.waitingCount < before || !$0.current!.lost.isEmpty
      }
    }
  }

  private func leased(_ batch: [Int]) throws(KVError) -> [LeasedBlock] {
    do throws(ResidencyError) {
      var blocks: [LeasedBlock] = []
      for index in batch {
        guard case .leased(let slot, let generation) = current!.past[index] else {
          preconditionFailure("a batch is of leased blocks")
        }
        let bytes = try session.bytes(of: slot)
        guard bytes.count >= layout.payloadBytes, let base = bytes.baseAddress else {
          throw .badSlot("slot \(slot.index) has \(bytes.count) bytes, a block has \(layout.payloadBytes)")
        }
        blocks.append(LeasedBlock(index: index, bytes: base, lease: .init(slot: slot, generation: generation)))
      }
      return blocks
    } catch {
      throw .residency(error)
    }
  }

  /// Ends the leases of a batch. Blocks in `stale` were not used by all rows: they are asked for again.
  func finish(_ batch: [LeasedBlock], stale: [Int]) throws(KVError) {
    let layer = current!.layer
    let batch = batch.filter { $0.lease != nil }
    for run in runs(of: batch.map(\.index)) { try send(.release(sequence, layer: layer, blocks: run)) }
    let staleSet = Set(stale)
    for block in batch where !staleSet.contains(block.index) { current!.use(block.index) }
    statistics.blocksUsed += batch.count - stale.count
    statistics.blocksStale += stale.count
    for block in stale {
      state.attempts[block, default: 0] += 1
      guard state.attempts[block]! < Self.maxAttempts else {
        throw .neverCurrent(layer: layer, block: block, attempts: Self.maxAttempts)
      }
      current!.giveUp(block)
      try acquire(layer: layer, blocks: block..<block + 1)
    }
    try advance()
  }

  /// Sorted and joined into runs no longer than a request may name.
  func runs(of blocks: [Int]) -> [Range<Int>] {
    var runs: [Range<Int>] = []
    for block in blocks.sorted() {
      if let last = runs.last, last.upperBound == block, last.count < Self.blocksPerRequest {
        runs[runs.count - 1] = last.lowerBound..<block + 1
      } else {
        runs.append(block..<block + 1)
      }
    }
    return runs
  }
}
