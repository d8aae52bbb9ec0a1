// Sessions and their requests: checked here, so that the concerns behind them see only valid ones.

extension ResidencyCore {
  mutating func connect(_ id: SessionID, _ tenant: TenantID) {
    precondition(sessions[id] == nil, "a session connects once")
    openAccount(tenant)
    sessions[id] = Session(tenant: tenant)
    for arena in self[computeTier].arenas(of: tenant) { emit(.announce(arena, id)) }
  }

  mutating func disconnect(_ id: SessionID) {
    guard let session = sessions.removeValue(forKey: id) else { return }
    for group in session.sequences.values.sorted() { closeSequence(group) }
  }

  mutating func announce(_ arena: ArenaID, to tenant: TenantID) {
    for (id, session) in sessions.sorted(by: { $0.key < $1.key }) where session.tenant == tenant {
      emit(.announce(arena, id))
    }
  }

  mutating func take(_ request: Request, from id: SessionID) {
    // A request that crossed the end of its session on the way is void.
    guard sessions[id] != nil, !deferring(request, of: id) else { return }
    carryOut(request, from: id)
  }

  mutating func carryOut(_ request: Request, from id: SessionID) {
    do throws(Violation) {
      try dispatch(request, from: id)
    } catch {
      emit(.reply(id, .violation(error)))
      emit(.end(id, error))
      disconnect(id)
    }
  }

  private mutating func dispatch(_ request: Request, from id: SessionID) throws(Violation) {
    switch request {
    case .open(let plan): try open(plan, in: id)
    case .extend(let sequence, let blocks): try extend(find(sequence, in: id), blocks)
    case .reserve(let sequence, let layer, let blocks):
      try reserve(admitted(sequence, in: id, layer, blocks), layer, blocks)
    case .seal(let sequence, let layer, let blocks):
      try seal(admitted(sequence, in: id, layer, blocks), layer, blocks)
    case .acquire(let sequence, let chunk, let layer, let blocks):
      try acquire(admitted(sequence, in: id, layer, blocks), chunk, layer, blocks)
    case .release(let sequence, let layer, let blocks):
      try release(admitted(sequence, in: id, layer, blocks), layer, blocks)
    case .close(let sequence):
      let sequence = try find(sequence, in: id)
      closeSequence(sequence.group)
      emit(.reply(id, .closed(sequence.id)))
    }
  }

  private mutating func find(_ sequence: SequenceID, in id: SessionID) throws(Violation) -> Sequence {
    guard let group = sessions[id]?.sequences[sequence], let found = sequences[group] else {
      throw .unknownSequence(sequence)
    }
    found.lastActivityMs = nowMs
    return found
  }

  private mutating func admitted(
    _ sequence: SequenceID, in id: SessionID, _ layer: Int, _ blocks: Range<Int>
  ) throws(Violation) -> Sequence {
    let found = try find(sequence, in: id)
    guard found.state == .admitted else { throw .notAdmitted(sequence) }
    guard found.contains(layer: layer, blocks), blocks.count <= SequencePlan.maxBlocksPerRequest else {
      throw .rangeOutside(layer: layer, blocks: blocks)
    }
    return found
  }

  /// Names further blocks. Equal ids are equal blocks: what other sequences of the tenant sealed is found again.
  private mutating func extend(_ sequence: Sequence, _ ids: [BlockID]) throws(Violation) {
    let plan = sequence.plan
    guard ids.count <= SequencePlan.maxBlocksPerRequest, sequence.named + ids.count <= plan.totalBlocks else {
      throw .tooManyBlocks(named: sequence.named + ids.count, limit: plan.totalBlocks)
    }
    for id in ids {
      for layer in 0..<plan.layers {
        let key = BlockKey(tenant: sequence.tenant, id: id, layer: UInt16(layer))
        guard let handle = intern(key, plan.layout) else {
          throw .badPlan("a block id is known with another layout")
        }
        directory[handle].users += 1
        directory[handle].needers += 1
        directory[handle].isRetired = false
        if directory[handle].isAnywhere { countUse(handle) }
        sequence.handles[sequence.cell(layer, sequence.named)] = handle
        if lists.isIdle(directory[handle].group) { regroup(handle, to: sequence.listGroup) }
        sequence.heldRun[layer] = directory[handle].isAnywhere ? sequence.heldRun[layer] + 1 : 0
      }
      sequence.named += 1
      if sequence.isCached(sequence.named) { sequence.cachedBlocks = sequence.named }
    }
    reply(sequence, .extended(sequence.id, named: sequence.named, cachedBlocks: sequence.cachedBlocks))
  }

  /// Ends a sequence: its leases, its staged blocks, its reservations. What it sealed stays cached.
  mutating func closeSequence(_ group: Int32) {
    guard let sequence = sequences.remove(group) else { return }
    sessions[sequence.session]?.sequences[sequence.id] = nil
    abandonSeals(of: sequence)
    for cell in sequence.flags.indices where !sequence.flags[cell].isDisjoint(with: [.leased, .wanted]) {
      let handle = sequence.handles[cell]
      if sequence.flags[cell].contains(.leased) { endLease(handle) } else { stopWaiting(handle, group) }
    }
    abandonRing(of: sequence)
    for cell in sequence.handles.indices where sequence.handles[cell] >= 0 {
      let handle = sequence.handles[cell]
      directory[handle].users -= 1
      if !sequence.flags[cell].contains(.passed) { directory[handle].needers -= 1 }
      if let owed = durabilityOwed[handle], owed.group == group { durabilityOwed[handle] = nil }
      if directory[handle].group == group { regroup(handle, to: sequence.idleGroup) }
      directory.removeIfUnused(handle)
    }
    giveBack(sequence)
    lists.removeGroup(group)
    admissionQueue.removeAll { $0 == group }
    shrinkDisk(of: sequence.tenant)
    mayProceed = true
  }
}
