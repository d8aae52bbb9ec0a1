// Budgets, time, and draining.

extension ResidencyCore {
  /// The least a tier of memory can be set to while today's sequences are open.
  public func smallestBudgetBytes(_ tier: Tier) -> Int {
    let least = sequences.values.filter { $0.state != .queued }.reduce(0) { sum, sequence in
      let needs = Admission.minimum(sequence.plan, computeTier: computeTier)
      return sum + (tier == .device ? needs.device : needs.host)
    }
    return least > 0 ? least + self[tier].strandableBytes : 0
  }

  mutating func setBudget(_ tier: Tier, _ bytes: Int) {
    mayProceed = true
    guard tier != .disk else {
      disk.capBytes = bytes
      disk.isBlocked = false
      diskFull.removeAll()
      emit(.setDiskCap(bytes: bytes))
      return
    }
    self[tier].configure(max(bytes, smallestBudgetBytes(tier)))
    enforceBudget(tier)
    settleNodes(tier)
    refuseImpossible()
  }

  mutating func setAllowance(_ tier: Tier, _ bytes: Int?) {
    guard tier != .disk, self[tier].allowanceBytes != bytes else { return }
    self[tier].allowanceBytes = bytes
    mayProceed = true
    enforceBudget(tier)
  }

  /// What is in force of a tier of memory: its budget, less while the machine is short of memory, but never less than
  /// the open sequences were promised.
  mutating func enforceBudget(_ tier: Tier) {
    let pool = self[tier]
    let bytes = max(min(pool.configuredBytes, pool.allowanceBytes ?? .max), smallestBudgetBytes(tier))
    guard bytes != pool.budgetBytes else { return }
    if pool.reservedBytes > bytes {
      for sequence in openSequences { trimToMinimum(sequence) }
    }
    var steps: [Pool.Step] = []
    self[tier].setBudget(bytes, steps: &steps)
    carryOut(steps, on: tier)
  }

  /// Waiting sequences that can no longer ever run are told so.
  mutating func refuseImpossible() {
    for group in admissionQueue.elements.filter({ sequences[$0]?.state == .queued }) {
      guard let sequence = sequences[group], let refusal = misfit(sequence.plan, of: sequence.tenant) else { continue }
      closeSequence(group)
      reply(sequence, .refused(sequence.id, refusal))
    }
  }

  mutating func drain(_ on: Bool) {
    isDraining = on
    mayProceed = true
  }

  /// Blocks that exist only in memory.
  public var dirtyBlocks: Int {
    directory.handles.count { handle in
      let block = directory[handle]
      guard !block.isOnDisk, !block.layout.isDroppable else { return false }
      return block.device.state == .resident || block.host.state == .resident
    }
  }

  mutating func tick(_ ms: UInt64) {
    nowMs = max(nowMs, ms)
    limitRecovery()
    if disk.isBlocked || !diskFull.isEmpty, nowMs >= disk.retryAtMs {
      disk.isBlocked = false
      diskFull.removeAll()
      mayProceed = true
    }
    for account in tenants.accounts where tenants.hasQuotas { shrinkDisk(of: account.tenant) }
    endHoarders()
    shrinkNodes()
    mendExtents()
  }

  /// Ends sessions that hold blocks others have waited for longer than the limit.
  private mutating func endHoarders() {
    let isStarved = device.isShrinking || host.isShrinking || !placements.isEmpty
    guard isStarved else {
      starvedSinceMs = 0
      return
    }
    if starvedSinceMs == 0 { starvedSinceMs = max(nowMs, 1) }
    guard nowMs - starvedSinceMs > configuration.holdLimitMs else { return }
    let hoarders = openSequences.filter {
      $0.leaseCount > 0 && nowMs - $0.lastActivityMs > configuration.holdLimitMs
    }
    for session in Set(hoarders.map(\.session)).sorted() {
      let violation = Violation.heldTooLong(ms: Int(configuration.holdLimitMs))
      emit(.reply(session, .violation(violation)))
      emit(.end(session, violation))
      disconnect(session)
    }
  }
}
