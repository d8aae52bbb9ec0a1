/// What one step of a sequence needs at least, and what it may have beyond that.
enum Admission {
  /// Bytes on each tier of memory.
  struct Needs: Equatable {
    var device = 0
    var host = 0
  }

  /// Slots through which blocks pass the host between device and disk, at least.
  static func transitSlots(_ plan: SequencePlan) -> Int { plan.layout.isDroppable ? 0 : 2 }
  /// Beyond its minimum a ring takes up to this share of its tier, and this many slots.
  static let ringShare = 16
  static let ringSlotsPreferred = 64
  static let transitShare = 8
  static let transitSlotsPreferred = 8
  /// Of the disk budget, what may be counted on for blocks: the rest is headers and the segment being reclaimed.
  static func usableDisk(_ bytes: Int) -> Int { bytes / 8 * 7 }

  static func stagingBytes(_ plan: SequencePlan) -> Int { plan.stagingSlots * plan.layout.slotBytes }

  static func minimum(_ plan: SequencePlan, computeTier: Tier) -> Needs {
    let slot = plan.layout.slotBytes
    let ring = plan.ringSlots * slot
    let host = stagingBytes(plan) + transitSlots(plan) * slot
    return computeTier == .device ? Needs(device: ring, host: host) : Needs(device: 0, host: host + ring)
  }

  /// What must have a place for as long as the sequence is open.
  static func sequenceBytes(_ plan: SequencePlan) -> Int {
    guard !plan.layout.isDroppable else { return 0 }
    guard plan.isHybrid else { return plan.layers * plan.totalBlocks * plan.layout.slotBytes }
    let blocks = plan.reach.reduce(0) {
      $0
        + $1.blocksAtOnce(
          of: plan.totalBlocks, chunkBlocks: plan.chunkBlocks, blockTokens: plan.layout.blockTokens)
    }
    return blocks * plan.layout.slotBytes
  }

  /// A sentence where the plan is not one.
  static func fault(in plan: SequencePlan) -> String? {
    if plan.layers < 1 || plan.layers > SequencePlan.maxLayers {
      return "\(plan.layers) layers; 1 to \(SequencePlan.maxLayers) are possible"
    }
    if plan.totalBlocks < 0 || plan.totalBlocks > SequencePlan.maxBlocks / plan.layers {
      return
        "\(plan.totalBlocks) blocks in each of \(plan.layers) layers; \(SequencePlan.maxBlocks) are possible in all"
    }
    if plan.chunkBlocks < 0 { return "chunks of \(plan.chunkBlocks) blocks" }
    if plan.stagingSlots < 1 || plan.stagingSlots > SequencePlan.maxStagingSlots {
      return "\(plan.stagingSlots) staging slots; 1 to \(SequencePlan.maxStagingSlots) are possible"
    }
    if plan.ringSlots < 1 || plan.ringSlots > SequencePlan.maxRingSlots {
      return "\(plan.ringSlots) ring slots; 1 to \(SequencePlan.maxRingSlots) are possible"
    }
    if plan.isHybrid, plan.reach.count != plan.layers {
      return "the reach of \(plan.reach.count) of \(plan.layers) layers"
    }
    for case .sliding(let tokens) in plan.reach where tokens < 1 { return "a sliding window of \(tokens) tokens" }
    for case .chunked(let tokens) in plan.reach where tokens < 1 { return "attention chunks of \(tokens) tokens" }
    return nil
  }
}

extension ResidencyCore {
  mutating func open(_ plan: SequencePlan, in id: SessionID) throws(Violation) {
    guard sessions[id]!.sequences[plan.sequence] == nil else { throw .duplicateSequence(plan.sequence) }
    if let fault = Admission.fault(in: plan) { throw .badPlan(fault) }
    if let refusal = refusal(of: plan) {
      emit(.reply(id, .refused(plan.sequence, refusal)))
      return
    }
    let group = lists.addGroup(layers: plan.layers)
    let sequence = Sequence(
      session: id, tenant: sessions[id]!.tenant, near: sessions[id]!.near, plan: plan, group: group)
    sequence.lastActivityMs = nowMs
    sequences.append(sequence, as: group)
    sessions[id]!.sequences[plan.sequence] = group
    let ahead = admissionQueue.count
    admissionQueue.append(group)
    admitQueued()
    if sequence.state == .queued { reply(sequence, .queued(plan.sequence, ahead: ahead)) }
  }

  private func refusal(of plan: SequencePlan) -> Refusal? {
    if isDraining { return .draining }
    if let misfit = misfit(plan) { return misfit }
    if admissionQueue.count >= configuration.queueLimit { return .queueFull(limit: configuration.queueLimit) }
    return nil
  }

  /// Why the plan could not run even with all memory to itself.
  func misfit(_ plan: SequencePlan) -> Refusal? {
    let needs = Admission.minimum(plan, computeTier: computeTier)
    for (tier, bytes) in [(Tier.device, needs.device), (.host, needs.host)] {
      let most = self[tier].promisable(of: self[tier].configuredBytes, to: plan)
      if bytes > most { return .stepExceedsBudget(tier: tier, neededBytes: bytes, budgetBytes: most) }
    }
    let total = Admission.sequenceBytes(plan)
    let capacity = capacity(beside: needs, plan, \.configuredBytes)
    if total > capacity { return .sequenceExceedsBudgets(neededBytes: total, budgetBytes: capacity) }
    return nil
  }

  /// What all tiers together hold of blocks, with `needs` reserved.
  private func capacity(
    beside needs: Admission.Needs, _ plan: SequencePlan, _ budget: KeyPath<Pool, Int>
  ) -> Int {
    max(0, device.promisable(of: device[keyPath: budget], to: plan) - needs.device)
      + max(0, host.promisable(of: host[keyPath: budget], to: plan) - needs.host)
      + Admission.usableDisk(disk.capBytes)
  }

  /// Admits from the head of the queue, in order, as far as minima fit.
  mutating func admitQueued() {
    while let group = admissionQueue.first {
      guard let sequence = sequences[group] else {
        _ = admissionQueue.popFirst()
        continue
      }
      if sequence.state == .queued {
        guard reserveMemory(for: sequence) else { return }
        sequence.state = .admitting
      }
      guard openStaging(for: sequence) else { return }
      _ = admissionQueue.popFirst()
      sequence.state = .admitted
      sequence.isUnsettled = true
      let staging = sequence.staging!
      reply(sequence, .admitted(sequence.id, staging: staging.arena, stagingSlots: staging.slotCount))
    }
  }

  private mutating func reserveMemory(for sequence: Sequence) -> Bool {
    let plan = sequence.plan
    let needs = Admission.minimum(plan, computeTier: computeTier)
    var minima = needs
    var total = Admission.sequenceBytes(plan)
    for other in sequences.values where other.state != .queued {
      let least = Admission.minimum(other.plan, computeTier: computeTier)
      minima.device += least.device
      minima.host += least.host
      total += Admission.sequenceBytes(other.plan)
    }
    let isAlone = minima == needs
    guard
      minima.device <= device.promisable(to: plan) && minima.host <= host.promisable(to: plan)
        && total <= capacity(beside: minima, plan, \.budgetBytes) || isAlone && misfit(plan) == nil
    else { return false }
    noteLargestSlot(beside: plan)
    // However short the machine is of memory, one sequence at a time goes on.
    raise(.device, to: minima.device + device.strandableBytes)
    raise(.host, to: minima.host + host.strandableBytes)
    if device.reservedBytes + needs.device > device.promisable(to: plan)
      || host.reservedBytes + needs.host > host.promisable(to: plan)
    {
      for other in sequences.values { trimToMinimum(other) }
    }
    grant(sequence, needs)
    return true
  }

  private mutating func raise(_ tier: Tier, to bytes: Int) {
    guard self[tier].budgetBytes < bytes else { return }
    var steps: [Pool.Step] = []
    self[tier].setBudget(bytes, steps: &steps)
    carryOut(steps, on: tier)
  }

  /// Reserves the minimum, and of what is free beyond it a bounded share.
  private mutating func grant(_ sequence: Sequence, _ needs: Admission.Needs) {
    let plan = sequence.plan
    let slot = plan.layout.slotBytes
    sequence.reserved = needs
    sequence.ringLimit = plan.ringSlots
    sequence.transitLimitBytes = Admission.transitSlots(plan) * slot
    let compute = self[computeTier]
    let share = min(compute.budgetBytes / Admission.ringShare, (compute.budgetBytes - compute.reservedBytes) / 2) / slot
    let extraRing =
      plan.layout.isDroppable ? 0 : max(0, min(share, Admission.ringSlotsPreferred) - plan.ringSlots) * slot
    let transitSlots = min(host.budgetBytes / Admission.transitShare / slot, Admission.transitSlotsPreferred)
    let extraTransit = plan.layout.isDroppable ? 0 : max(0, transitSlots - Admission.transitSlots(plan)) * slot
    if self[computeTier].reservedBytes + computeNeed(needs) + extraRing <= compute.promisable(to: plan) {
      sequence.ringLimit += extraRing / slot
      if computeTier == .device { sequence.reserved.device += extraRing } else { sequence.reserved.host += extraRing }
    }
    if host.reservedBytes + sequence.reserved.host + extraTransit <= host.promisable(to: plan) {
      sequence.transitLimitBytes += extraTransit
      sequence.reserved.host += extraTransit
    }
    device.reservedBytes += sequence.reserved.device
    host.reservedBytes += sequence.reserved.host
    host.transitLimitBytes += sequence.transitLimitBytes
  }

  private func computeNeed(_ needs: Admission.Needs) -> Int { computeTier == .device ? needs.device : needs.host }

  /// Takes back what an admitted sequence has beyond its minimum; slots in use leave as they are released.
  mutating func trimToMinimum(_ sequence: Sequence) {
    guard sequence.state != .queued else { return }
    let needs = Admission.minimum(sequence.plan, computeTier: computeTier)
    let transit = Admission.transitSlots(sequence.plan) * sequence.plan.layout.slotBytes
    device.reservedBytes -= sequence.reserved.device - needs.device
    host.reservedBytes -= sequence.reserved.host - needs.host
    host.transitLimitBytes -= sequence.transitLimitBytes - transit
    sequence.reserved = needs
    sequence.transitLimitBytes = transit
    sequence.ringLimit = sequence.plan.ringSlots
    for handle in sequence.ring where sequence.ringUsed > sequence.ringLimit { dropIfSpare(handle) }
  }

  private mutating func openStaging(for sequence: Sequence) -> Bool {
    let bytes = Admission.stagingBytes(sequence.plan)
    guard makeRoom(bytes, on: .host, inPieces: true) else { return false }
    var steps: [Pool.Step] = []
    guard let pieces = host.takeStaging(bytes, near: sequence.near, steps: &steps) else { return false }
    carryOut(steps, on: .host)
    let slot = sequence.plan.layout.slotBytes
    let count = sequence.plan.stagingSlots
    let arena = nextArena()
    sequence.staging = Staging(
      arena: arena, slotBytes: slot, free: (0..<UInt32(count)).reversed(), slotCount: count, pieces: pieces)
    let shares = pieces.map { StagingShare(node: host.nodes[$0.node].id, bytes: $0.bytes) }
    emit(.openStaging(arena, sequence.session, slotBytes: slot, slotCount: count, shares))
    emit(.announce(arena, sequence.session))
    return true
  }

  /// Returns a closed sequence's reservations.
  mutating func giveBack(_ sequence: Sequence) {
    guard sequence.state != .queued else { return }
    device.reservedBytes -= sequence.reserved.device
    host.reservedBytes -= sequence.reserved.host
    host.transitLimitBytes -= sequence.transitLimitBytes
    noteLargestSlot()
    // While memory is short its promise may have been all that held the budget up.
    enforceBudget(.device)
    enforceBudget(.host)
  }
}
