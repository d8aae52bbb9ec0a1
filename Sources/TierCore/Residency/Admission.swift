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
    let tenant = sessions[id]!.tenant
    if let refusal = refusal(of: plan, of: tenant) {
      emit(.reply(id, .refused(plan.sequence, refusal)))
      return
    }
    let group = lists.addGroup(layers: plan.layers)
    let sequence = Sequence(
      session: id, tenant: tenant, near: sessions[id]!.near, plan: plan, group: group,
      idleGroup: tenants[tenant].idleGroup)
    sequence.lastActivityMs = nowMs
    sequences.append(sequence, as: group)
    sessions[id]!.sequences[plan.sequence] = group
    let ahead = admissionQueue.count
    admissionQueue.append(group)
    admitQueued()
    if sequence.state == .queued { reply(sequence, .queued(plan.sequence, ahead: ahead)) }
  }

  private func refusal(of plan: SequencePlan, of tenant: TenantID) -> Refusal? {
    if isDraining { return .draining }
    if let misfit = misfit(plan, of: tenant) { return misfit }
    // Others' waiting sequences do not keep a tenant's first one out.
    let hasQueued = admissionQueue.elements.contains { sequences[$0]?.tenant == tenant }
    if hasQueued, admissionQueue.count >= configuration.queueLimit {
      return .queueFull(limit: configuration.queueLimit)
    }
    return nil
  }

  /// Why the plan could not run even with all memory to itself that its tenant can have.
  func misfit(_ plan: SequencePlan, of tenant: TenantID) -> Refusal? {
    let needs = Admission.minimum(plan, computeTier: computeTier)
    for (tier, bytes) in [(Tier.device, needs.device), (.host, needs.host)] {
      let most = mostBytes(of: tenant, on: tier, slotBytes: plan.layout.slotBytes)
      if bytes > most { return .stepExceedsBudget(tier: tier, neededBytes: bytes, budgetBytes: most) }
    }
    let total = Admission.sequenceBytes(plan)
    let room = [(Tier.device, needs.device), (.host, needs.host), (.disk, 0)].reduce(0) {
      $0 + mostBytes(of: tenant, on: $1.0, slotBytes: plan.layout.slotBytes) - $1.1
    }
    return total > room ? .sequenceExceedsBudgets(neededBytes: total, budgetBytes: room) : nil
  }

  /// Admits from the head of the queue, in order, as far as minima fit. Who waits keeps back those behind, except where
  /// it is their own quota that has no room, and those whose guarantee covers them.
  mutating func admitQueued() {
    while let group = admissionQueue.first {
      guard sequences[group].map({ admit($0) }) ?? true else { break }
      _ = admissionQueue.popFirst()
    }
    guard tenants.hasLimits, admissionQueue.count > 1 else { return }
    var waiting: [TenantID] = []
    var areAllKeptBack = false
    for group in admissionQueue.elements {
      guard let sequence = sequences[group], !waiting.contains(sequence.tenant) else { continue }
      let isCovered = isGuaranteed(sequence)
      guard !areAllKeptBack || isCovered, !admit(sequence) else { continue }
      waiting.append(sequence.tenant)
      if isWithinQuota(sequence) { areAllKeptBack = true }
    }
    admissionQueue.removeAll { sequences[$0]?.state == .admitted }
  }

  /// False where it waits.
  private mutating func admit(_ sequence: Sequence) -> Bool {
    if sequence.state == .queued {
      guard reserveMemory(for: sequence) else { return false }
      sequence.state = .admitting
    }
    guard sequence.state == .admitting, openStaging(for: sequence) else { return sequence.state == .admitted }
    sequence.state = .admitted
    sequence.isUnsettled = true
    let staging = sequence.staging!
    reply(sequence, .admitted(sequence.id, staging: staging.arena, stagingSlots: staging.slotCount))
    return true
  }

  private mutating func reserveMemory(for sequence: Sequence) -> Bool {
    let needs = Admission.minimum(sequence.plan, computeTier: computeTier)
    let demand = demand(with: sequence)
    let isAlone = !sequences.values.contains { $0.state != .queued }
    guard fits(demand, sequence) || isAlone && misfit(sequence.plan, of: sequence.tenant) == nil else {
      return false
    }
    noteLargestSlot(beside: sequence.plan)
    // However short the machine is of memory, one sequence at a time goes on.
    raise(.device, to: demand.minima.device + device.strandableBytes)
    raise(.host, to: demand.minima.host + host.strandableBytes)
    if !canReserve(needs, for: sequence.tenant) {
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
    var more = sequence.reserved
    if computeTier == .device { more.device += extraRing } else { more.host += extraRing }
    if canReserve(more, for: sequence.tenant) {
      sequence.ringLimit += extraRing / slot
      sequence.reserved = more
    }
    more = sequence.reserved
    more.host += extraTransit
    if canReserve(more, for: sequence.tenant) {
      sequence.transitLimitBytes += extraTransit
      sequence.reserved = more
    }
    reserve(sequence.reserved, for: sequence.tenant)
    host.transitLimitBytes += sequence.transitLimitBytes
  }

  /// Takes back what an admitted sequence has beyond its minimum; slots in use leave as they are released.
  mutating func trimToMinimum(_ sequence: Sequence) {
    guard sequence.state != .queued else { return }
    let needs = Admission.minimum(sequence.plan, computeTier: computeTier)
    let transit = Admission.transitSlots(sequence.plan) * sequence.plan.layout.slotBytes
    reserve(sequence.reserved, for: sequence.tenant, sign: -1)
    reserve(needs, for: sequence.tenant)
    host.transitLimitBytes -= sequence.transitLimitBytes - transit
    sequence.reserved = needs
    sequence.transitLimitBytes = transit
    sequence.ringLimit = sequence.plan.ringSlots
    for handle in sequence.ring where sequence.ringUsed > sequence.ringLimit { dropIfSpare(handle) }
  }

  private mutating func openStaging(for sequence: Sequence) -> Bool {
    let bytes = Admission.stagingBytes(sequence.plan)
    guard makeRoom(bytes, on: .host, inPieces: true, for: Claim(tenant: sequence.tenant)) else { return false }
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
    reserve(sequence.reserved, for: sequence.tenant, sign: -1)
    host.transitLimitBytes -= sequence.transitLimitBytes
    noteLargestSlot()
    // While memory is short its promise may have been all that held the budget up.
    enforceBudget(.device)
    enforceBudget(.host)
  }
}
