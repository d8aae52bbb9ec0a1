// Hybrid layers: what a sliding or chunked layer has read for the last time leaves every tier, and is not written first.

extension ResidencyCore {
  /// Lets go of the blocks of a layer that the sequence's next chunk does not reach any more. Called when the sequence
  /// leaves the layer; of these, only blocks before `limit`.
  mutating func passBlocks(_ sequence: Sequence, _ layer: Int, before limit: Int) {
    guard sequence.plan.isHybrid else { return }
    let first = min(sequence.firstInReach(layer), limit)
    while sequence.passed[layer] < first {
      let cell = sequence.cell(layer, sequence.passed[layer])
      sequence.passed[layer] += 1
      sequence.flags[cell].insert(.passed)
      leaveBlock(sequence.handles[cell])
    }
  }

  private mutating func leaveBlock(_ handle: BlockHandle) {
    directory[handle].needers -= 1
    guard directory[handle].needers == 0 else { return }
    directory[handle].isRetired = true
    durabilityOwed[handle] = nil
    statistics.retired += 1
    settleRetired(handle)
  }

  /// Drops a retired block from everywhere, once nobody holds it and nothing moves it. Called again whenever that may
  /// have become so.
  mutating func settleRetired(_ handle: BlockHandle) {
    guard directory[handle].isRetired else { return }
    let block = directory[handle]
    guard block.leases == 0, !block.isSealing, block.disk.state != .writing, !block.disk.isBeingRead,
      !block.device.isBusy, !block.host.isBusy, waiters.isEmpty(handle)
    else { return }
    forgetRecord(handle)
    for tier in [Tier.device, .host] where directory[handle][tier].state != .none { dropCopy(handle, on: tier) }
    directory.removeIfUnused(handle)
  }
}

extension Sequence {
  /// Whether blocks of the layer leave its reach as the sequence goes on.
  func isPassing(_ layer: Int) -> Bool { plan.isHybrid && plan.reach[layer] != .full }

  /// The first block of the layer that the sequence's next chunk reads, as far as it has written or asked.
  func firstInReach(_ layer: Int) -> Int {
    plan.reach[layer].firstBlock(before: min(frontier[layer], named), blockTokens: plan.layout.blockTokens)
  }

  /// The sequence reads or writes blocks of the layer before this one: the next chunk begins there at the earliest.
  func reachFrontier(_ layer: Int, _ end: Int) {
    if plan.isHybrid { frontier[layer] = max(frontier[layer], end) }
  }

  /// Whether the first `blocks` blocks of the prompt need not be computed: of each layer there is what the tokens after
  /// them read.
  func isCached(_ blocks: Int) -> Bool {
    for layer in 0..<plan.layers {
      let first = plan.isHybrid ? plan.reach[layer].firstBlock(before: blocks, blockTokens: plan.layout.blockTokens) : 0
      if heldRun[layer] < blocks - first { return false }
    }
    return true
  }
}
