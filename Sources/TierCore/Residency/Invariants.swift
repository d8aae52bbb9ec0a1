// What must hold between any two events. Costs a scan of everything: for the simulator and for tests.

extension ResidencyCore {
  /// Nil, or a sentence about the first invariant found broken.
  public func brokenInvariant() -> String? {
    brokenSlots() ?? brokenNodes() ?? brokenLeases() ?? brokenLists() ?? brokenSequences() ?? brokenStaging()
      ?? brokenDisk() ?? brokenAccounts()
  }

  private func brokenSlots() -> String? {
    var owners: [SlotRef: BlockHandle] = [:]
    for tier in [Tier.device, .host] {
      var kept = 0
      var ring = 0
      var transit = 0
      for handle in directory.handles {
        let copy = directory[handle][tier]
        guard copy.state != .none else { continue }
        if let other = owners.updateValue(handle, forKey: copy.slot) {
          return "slot \(copy.slot) is owned by blocks \(other) and \(handle)"
        }
        let bytes = directory[handle].layout.slotBytes
        switch copy.role {
        case .kept: kept += bytes
        case .ring: ring += bytes
        case .transit: transit += bytes
        }
      }
      let pool = self[tier]
      if (kept, ring, transit) != (pool.keptBytes, pool.ringBytes, pool.transitBytes) {
        return "\(tier.name): \((kept, ring, transit)) bytes kept, ring, transit; counted "
          + "\((pool.keptBytes, pool.ringBytes, pool.transitBytes))"
      }
      if pool.committedBytes > pool.limitBytes {
        return "\(tier.name): \(pool.committedBytes) bytes committed beyond \(pool.limitBytes)"
      }
      let staging = tier == .host ? stagingBytes : 0
      let used = kept + ring + transit + staging + pool.adoptingBytes
      if used != pool.usedBytes {
        return "\(tier.name): \(pool.usedBytes) bytes counted as used, \(used) are"
      }
    }
    return nil
  }

  /// What lies on each node is within its limit, and what all of them hold is what the tier does.
  private func brokenNodes() -> String? {
    for tier in [Tier.device, .host] {
      let pool = self[tier]
      var (used, committed, idle) = (
        Array(repeating: 0, count: pool.nodes.count), Array(repeating: 0, count: pool.nodes.count), 0
      )
      for arena in pool.arenas.values {
        used[arena.node] += arena.usedCount * arena.slotBytes
        committed[arena.node] += arena.committedBytes
        if arena.commitment == .lasting { idle += arena.freeBytes }
        if arena.commitment != .bySlot, arena.committedBytes != arena.bytes, arena.committedBytes > 0 {
          return
            "arena \(arena.id.rawValue) is whole, and \(arena.committedBytes) of its \(arena.bytes) bytes are there"
        }
      }
      let stagings = sequences.values.compactMap(\.staging) + closingStaging.values
      for piece in tier == .host ? stagings.flatMap(\.pieces) : [] {
        used[piece.node] += piece.bytes
        committed[piece.node] += piece.bytes
      }
      for (index, node) in pool.nodes.enumerated() {
        if (used[index], committed[index]) != (node.usedBytes, node.committedBytes) {
          return "\(tier.name), part \(index): \((used[index], committed[index])) bytes used and committed; "
            + "counted \((node.usedBytes, node.committedBytes))"
        }
        if node.committedBytes > node.limitBytes {
          return "\(tier.name), part \(index): \(node.committedBytes) bytes committed beyond \(node.limitBytes)"
        }
      }
      if used.reduce(0, +) != pool.usedBytes || committed.reduce(0, +) != pool.committedBytes
        || idle != pool.lastingIdleBytes
      {
        return "\(tier.name): \((used, committed, idle)) bytes on its nodes; counted "
          + "\((pool.usedBytes, pool.committedBytes, pool.lastingIdleBytes))"
      }
    }
    return nil
  }

  private var stagingBytes: Int {
    sequences.values.reduce(0) { $0 + ($1.staging?.bytes ?? 0) } + closingStaging.values.reduce(0) { $0 + $1.bytes }
  }

  private func brokenLeases() -> String? {
    var leases: [BlockHandle: Int32] = [:]
    var users: [BlockHandle: Int32] = [:]
    var needers: [BlockHandle: Int32] = [:]
    for sequence in sequences.values {
      var held = 0
      for (cell, handle) in sequence.handles.enumerated() where handle >= 0 {
        users[handle, default: 0] += 1
        if !sequence.flags[cell].contains(.passed) { needers[handle, default: 0] += 1 }
        guard sequence.flags[cell].contains(.leased) else { continue }
        held += 1
        leases[handle, default: 0] += 1
      }
      if held != sequence.leaseCount {
        return "sequence \(sequence.id) holds \(held) leases, counts \(sequence.leaseCount)"
      }
    }
    for handle in directory.handles {
      let block = directory[handle]
      if block.leases != leases[handle, default: 0] { return "block \(handle): \(block.leases) leases counted" }
      if block.users != users[handle, default: 0] { return "block \(handle): \(block.users) users counted" }
      if block.needers != needers[handle, default: 0] { return "block \(handle): \(block.needers) needers counted" }
      if block.isRetired, block.isAnywhere, block.leases == 0, !block.isSealing, !block.device.isBusy,
        !block.host.isBusy, block.disk.state != .writing, !block.disk.isBeingRead, waiters.isEmpty(handle)
      {
        return "block \(handle) is retired and still somewhere"
      }
      if block.leases > 0, block[computeTier].state != .resident { return "leased block \(handle) is not resident" }
      if block.layout.isDroppable, block.disk.state != .none { return "droppable block \(handle) was written" }
      if block.users == 0, !block.isAnywhere, block.disk.state == .none, !block.disk.isBeingRead, !block.isSealing {
        return "block \(handle) is nowhere and nobody names it"
      }
    }
    return nil
  }

  private func brokenLists() -> String? {
    for handle in directory.handles {
      let block = directory[handle]
      for tier in [Tier.device, .host] {
        let (list, listed) = (lists.list(of: block, on: tier, computeTier: computeTier), block[tier].list)
        if listed != list { return "\(tier.name) copy of block \(handle) stands in list \(listed), not \(list)" }
      }
    }
    return nil
  }

  private func brokenSequences() -> String? {
    for (group, sequence) in zip(sequences.ids, sequences.values) {
      let ringed = sequence.ring.filter { directory[$0][computeTier].ringOwner == group }
      if ringed.count != sequence.ring.count || sequence.ringUsed != sequence.ring.count {
        return
          "sequence \(sequence.id): ring of \(sequence.ring.count), \(ringed.count) its own, \(sequence.ringUsed) counted"
      }
      if sequence.waitingCount != sequence.flags.count(where: { $0.contains(.wanted) }) {
        return "sequence \(sequence.id): \(sequence.waitingCount) wanted cells counted"
      }
      for (cell, flags) in sequence.flags.enumerated() where flags.contains(.wanted) {
        let waits = waiters.of(sequence.handles[cell]).contains(Waiter(group: group, cell: cell))
        if !waits { return "sequence \(sequence.id): wanted cell \(cell) waits for nothing" }
      }
    }
    for handle in waiters.handles {
      for waiter in waiters.of(handle) where sequences[waiter.group]?.flags[waiter.cell].contains(.wanted) != true {
        return "block \(handle): a waiter that wants nothing"
      }
    }
    return nil
  }

  private func brokenDisk() -> String? {
    let stored = directory.handles.reduce(0) { $0 + (directory[$1].isOnDisk ? directory[$1].disk.storedBytes : 0) }
    return stored == disk.storedBytes ? nil : "disk: \(stored) bytes of records; counted \(disk.storedBytes)"
  }

  private func brokenAccounts() -> String? {
    var kept: [TenantID: TierBytes] = [:]
    for handle in directory.handles {
      let block = directory[handle]
      for tier in [Tier.device, .host] where block[tier].state != .none && block[tier].role == .kept {
        kept[block.key.tenant, default: TierBytes()][tier] += block.layout.slotBytes
      }
      if block.isOnDisk { kept[block.key.tenant, default: TierBytes()].disk += block.disk.storedBytes }
    }
    var reserved: [TenantID: TierBytes] = [:]
    for sequence in sequences.values {
      reserved[sequence.tenant, default: TierBytes()].device += sequence.reserved.device
      reserved[sequence.tenant, default: TierBytes()].host += sequence.reserved.host
    }
    for account in tenants.accounts {
      let (keeps, reserves) = (kept[account.tenant] ?? TierBytes(), reserved[account.tenant] ?? TierBytes())
      if keeps != account.kept { return "tenant \(account.tenant.rawValue): keeps \(keeps), counted \(account.kept)" }
      if reserves != account.reserved {
        return "tenant \(account.tenant.rawValue): reserves \(reserves), counted \(account.reserved)"
      }
    }
    return nil
  }

  private func brokenStaging() -> String? {
    for sequence in sequences.values {
      guard let staging = sequence.staging else { continue }
      let slots = staging.free + staging.slots.values
      if slots.count != staging.slotCount || Set(slots).count != staging.slotCount {
        return "sequence \(sequence.id): staging slots \(slots) of \(staging.slotCount)"
      }
    }
    return nil
  }
}
