// What the core shows of itself to operators.

/// One tier of memory, in bytes.
public struct PoolSnapshot: Sendable {
  public let tier: Tier
  /// What the operator gave, and what is in force of it: less while the machine is short of memory.
  public let budgetBytes: Int
  public let effectiveBytes: Int
  public let usedBytes: Int
  public let committedBytes: Int
  public let peakBytes: Int
  public let reservedBytes: Int
  public let keptBytes: Int
  public let ringBytes: Int
  public let transitBytes: Int
}

/// A tier's memory on one NUMA node, in bytes.
public struct NodeSnapshot: Sendable {
  /// Nil where the tier's memory may be anywhere.
  public let node: Int?
  public let budgetBytes: Int
  public let usedBytes: Int
  public let committedBytes: Int
  /// The system is short of memory there.
  public let isShort: Bool
}

/// One arena of memory.
public struct ArenaSnapshot: Sendable {
  public let id: ArenaID
  public let node: Int?
  public let committedBytes: Int
}

/// One block and where it is.
public struct BlockSnapshot: Sendable {
  public let key: BlockKey
  public let payloadBytes: Int
  public let tiers: [Tier]
  public let leases: Int
  public let users: Int
}

/// One open or waiting sequence.
public struct SequenceSnapshot: Sendable {
  public let session: SessionID
  public let sequence: SequenceID
  public let isAdmitted: Bool
  public let layers: Int
  public let namedBlocks: Int
  public let totalBlocks: Int
  public let leases: Int
  public let wanted: Int
  public let ringSlots: Int
  public let stagedSlots: Int
  public let step: Int
}

extension ResidencyCore {
  public func pools() -> [PoolSnapshot] { [snapshot(device), snapshot(host)] }
  public func hostPool() -> PoolSnapshot { snapshot(host) }

  /// What the host has on each of its nodes.
  public func hostNodes() -> [NodeSnapshot] {
    host.nodes.map {
      NodeSnapshot(
        node: $0.id, budgetBytes: $0.budgetBytes, usedBytes: $0.usedBytes, committedBytes: $0.committedBytes,
        isShort: $0.isShort)
    }
  }

  /// The host's arenas of blocks.
  public func hostArenas() -> [ArenaSnapshot] {
    host.arenas.values.map {
      ArenaSnapshot(id: $0.id, node: host.nodes[$0.node].id, committedBytes: $0.committedBytes)
    }
  }

  private func snapshot(_ pool: Pool) -> PoolSnapshot {
    PoolSnapshot(
      tier: pool.tier, budgetBytes: pool.configuredBytes, effectiveBytes: pool.budgetBytes, usedBytes: pool.usedBytes,
      committedBytes: pool.committedBytes, peakBytes: pool.peakBytes, reservedBytes: pool.reservedBytes,
      keptBytes: pool.keptBytes, ringBytes: pool.ringBytes, transitBytes: pool.transitBytes)
  }

  /// Every block that a sequence names or a tier holds.
  public func allBlocks() -> [BlockSnapshot] {
    directory.handles.map { handle in
      let block = directory[handle]
      var tiers: [Tier] = []
      if block.device.state == .resident { tiers.append(.device) }
      if block.host.state == .resident { tiers.append(.host) }
      if block.isOnDisk { tiers.append(.disk) }
      return BlockSnapshot(
        key: block.key, payloadBytes: block.layout.payloadBytes, tiers: tiers, leases: Int(block.leases),
        users: Int(block.users))
    }
  }

  /// Draining: no new sequences.
  public var isTakingNone: Bool { isDraining }

  public func openSequenceSnapshots() -> [SequenceSnapshot] {
    openSequences.map { sequence in
      SequenceSnapshot(
        session: sequence.session, sequence: sequence.id, isAdmitted: sequence.state == .admitted,
        layers: sequence.plan.layers, namedBlocks: sequence.named, totalBlocks: sequence.plan.totalBlocks,
        leases: sequence.leaseCount, wanted: sequence.wanted.count, ringSlots: sequence.ringLimit,
        stagedSlots: sequence.staging?.slots.count ?? 0, step: sequence.step)
    }
  }

  /// Sums since the start, and use of the tiers now.
  public func statisticsNow() -> StoreStatistics {
    var result = statistics
    result.device = use(device)
    result.host = use(host)
    result.disk.budgetBytes = disk.capBytes
    result.disk.usedBytes = disk.storedBytes
    result.disk.peakBytes = disk.peakBytes
    return result
  }

  private func use(_ pool: Pool) -> StoreStatistics.TierUse {
    var use = StoreStatistics.TierUse()
    use.budgetBytes = pool.configuredBytes
    use.usedBytes = pool.usedBytes
    use.peakBytes = pool.peakBytes
    return use
  }

  public var isDiskBlocked: Bool { disk.isBlocked }
}

/// One tenant: what it has, and what it may have.
public struct TenantSnapshot: Sendable {
  public let tenant: TenantID
  public let limits: TenantLimits
  /// Blocks kept on device and host; of the disk, its records.
  public let keptBytes: TierBytes
  /// By its sequences: rings, staging, transit.
  public let reservedBytes: TierBytes
  public let counts: TenantCounts
  public let sessions: Int
  public let openSequences: Int
  public let queuedSequences: Int

  public func usedBytes(_ tier: Tier) -> Int { keptBytes[tier] + reservedBytes[tier] }
}

extension ResidencyCore {
  /// Tenants that have limits, sessions or blocks, in the order of their ids.
  public func tenantSnapshots() -> [TenantSnapshot] {
    var connected: [TenantID: Int] = [:]
    for session in sessions.values { connected[session.tenant, default: 0] += 1 }
    return tenants.accounts.compactMap { account in
      let own = openSequences.filter { $0.tenant == account.tenant }
      let queued = own.count { $0.state == .queued }
      let sessions = connected[account.tenant] ?? 0
      guard sessions > 0 || account.kept.sum > 0 || tenants.policy.limits[account.tenant] != nil else { return nil }
      return TenantSnapshot(
        tenant: account.tenant, limits: account.limits, keptBytes: account.kept, reservedBytes: account.reserved,
        counts: account.counts, sessions: sessions, openSequences: own.count - queued, queuedSequences: queued)
    }
  }

  /// Sessions of one tenant.
  public func sessionCount(of tenant: TenantID) -> Int { sessions.values.count { $0.tenant == tenant } }
}
