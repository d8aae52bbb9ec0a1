import TierCore

/// Looks from outside at what tenants have, whatever the core counts.
struct TenantWatch {
  /// Of the watched tenant, once it is quiet: where its blocks were.
  private var blocks: [BlockKey: [Tier]] = [:]
  /// The most it is guaranteed of each tier.
  private var guaranteed = TierBytes()

  mutating func begin(_ core: ResidencyCore, guaranteed: TierBytes) {
    self.guaranteed = guaranteed
    let own = core.allBlocks().filter { $0.key.tenant == TenantScenario.watched }
    blocks = Dictionary(uniqueKeysWithValues: own.map { ($0.key, $0.tiers) })
    let stored = core.tenantSnapshots().first { $0.tenant == TenantScenario.watched }?.keptBytes.disk ?? 0
    guard stored > guaranteed.disk else { return }
    blocks = blocks.mapValues { $0.filter { $0 != .disk } }
  }

  /// A sentence where a block within its tenant's guarantee left, or a tenant grew beyond its quota.
  func broken(
    _ core: ResidencyCore, _ before: [TenantSnapshot], _ faults: Scenario.Faults, isAdopting: Bool, hasAdmitted: Bool
  ) -> String? {
    // A copy on its way through whose record went meanwhile is the last there is: it is kept, whatever the quota.
    let recordsGo = [faults.recordsLost, faults.evictions, faults.readFails, faults.readCorrupts].contains { $0 > 0 }
    // What an earlier life left is taken over first, and then gives way; as what was kept does for what is reserved after
    // it in the same event.
    return lost(core) ?? (recordsGo || isAdopting || hasAdmitted ? nil : grown(core, before))
  }

  private func lost(_ core: ResidencyCore) -> String? {
    guard !blocks.isEmpty else { return nil }
    var missing = blocks
    for block in core.allBlocks() where missing[block.key] != nil {
      missing[block.key]!.removeAll { block.tiers.contains($0) }
    }
    for (key, tiers) in missing where !tiers.isEmpty {
      return "block \(key.id.b) of a quiet tenant left \(tiers[0].name), and is within its guarantee"
    }
    return nil
  }

  /// What is reserved may come to exceed it for a while: then what is kept gives way. On the compute tier a copy that streams
  /// through may have become the last there is, and is kept whatever the quota; `overQuota` finds what does not give way.
  private func grown(_ core: ResidencyCore, _ before: [TenantSnapshot]) -> String? {
    for tenant in core.tenantSnapshots() {
      let old = before.first { $0.tenant == tenant.tenant }
      for tier in [Tier.device, .host] where tenant.usedBytes(tier) > tenant.limits.quota[tier] {
        guard tier != core.computeTier, tenant.keptBytes[tier] > old?.keptBytes[tier] ?? 0 else { continue }
        return
          "tenant \(tenant.tenant.rawValue) keeps \(tenant.keptBytes[tier]) bytes of the \(tier.name) tier, more than "
          + "before, and has \(tenant.usedBytes(tier)) with a quota of \(tenant.limits.quota[tier])"
      }
    }
    return nil
  }

  /// When nothing moves any more.
  func overQuota(_ core: ResidencyCore) -> String? {
    for tenant in core.tenantSnapshots() {
      for tier in Tier.allCases where tenant.usedBytes(tier) > tenant.limits.quota[tier] {
        return "tenant \(tenant.tenant.rawValue) has \(tenant.usedBytes(tier)) bytes of the \(tier.name) tier, and a "
          + "quota of \(tenant.limits.quota[tier])"
      }
    }
    return nil
  }
}

extension Simulation {
  mutating func setTenants(_ policy: TenantPolicy?) throws(Failure) {
    guard let policy else { return }
    try handle(.setTenants(policy))
  }

  /// The watched tenant's worker reads its prompt and leaves, with nobody else there and nothing failing.
  mutating func readWatched() throws(Failure) {
    try connect(TenantScenario.watched)
    try handle(.request(workers[0].session, workers[0].open(watched: scenario.limits.watchedBlocks)))
    for _ in 0..<10_000 where !workers[0].isDone || !shell.pending.isEmpty {
      try step(Scenario.Faults()) { _ in false }
    }
    guard workers[0].isDone, shell.pending.isEmpty, workers[0].finishedSequences == 1 else {
      throw failure("the watched tenant's prompt is not read: \(workers[0].waitingFor)")
    }
    try handle(.disconnected(workers.removeFirst().session))
    watch.begin(core, guaranteed: scenario.limits.policy!.limits[TenantScenario.watched]!.guaranteed)
  }
}
