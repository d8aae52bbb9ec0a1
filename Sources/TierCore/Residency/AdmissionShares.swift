// What each tenant's sequences may reserve: beside what others are guaranteed, and within its own quota.

extension ResidencyCore {
  /// What all admitted sequences and one more need.
  struct Demand {
    /// The sums of minima, and of one tenant alone.
    var minima = Admission.Needs()
    var ofTenant = Admission.Needs()
    /// Per tenant with sequences, in no order: minima, and bytes that must have a place.
    var tenants: [(tenant: TenantID, minima: TierBytes, blocks: Int)] = []

    mutating func add(_ sequence: Sequence, computeTier: Tier) {
      let needs = Admission.minimum(sequence.plan, computeTier: computeTier)
      minima.device += needs.device
      minima.host += needs.host
      let index = tenants.firstIndex { $0.tenant == sequence.tenant } ?? tenants.count
      if index == tenants.count { tenants.append((sequence.tenant, TierBytes(), 0)) }
      tenants[index].minima.device += needs.device
      tenants[index].minima.host += needs.host
      tenants[index].blocks += Admission.sequenceBytes(sequence.plan)
    }

    func of(_ tenant: TenantID) -> (minima: TierBytes, blocks: Int) {
      tenants.first { $0.tenant == tenant }.map { ($0.minima, $0.blocks) } ?? (TierBytes(), 0)
    }
  }

  func demand(with sequence: Sequence) -> Demand {
    var demand = Demand()
    demand.add(sequence, computeTier: computeTier)
    for other in sequences.values where other.state != .queued { demand.add(other, computeTier: computeTier) }
    return demand
  }

  /// The most of a tier that the tenant can ever have, as budgets are configured.
  /// - Parameter slotBytes: of the blocks it would have there.
  func mostBytes(of tenant: TenantID, on tier: Tier, slotBytes: Int) -> Int {
    let all =
      tier == .disk
      ? Admission.usableDisk(disk.capBytes) : self[tier].promisable(of: self[tier].configuredBytes, with: slotBytes)
    guard tenants.hasLimits else { return all }
    let others = tenants.accounts.reduce(0) {
      $0 + ($1.tenant == tenant ? 0 : tenants.guaranteedBytes($1.tenant, tier, in: all))
    }
    return max(0, min(all - others, tenants[tenant].limits.quota[tier]))
  }

  /// Whether minima fit the budgets and all blocks the tiers, beside what others are guaranteed.
  func fits(_ demand: Demand, _ sequence: Sequence) -> Bool {
    let slotBytes = sequence.plan.layout.slotBytes
    let most = (device: device.promisable(with: slotBytes), host: host.promisable(with: slotBytes))
    let blocks = demand.tenants.reduce(0) { $0 + $1.blocks }
    let room =
      max(0, most.device - demand.minima.device) + max(0, most.host - demand.minima.host)
      + Admission.usableDisk(disk.capBytes)
    guard demand.minima.device <= most.device, demand.minima.host <= most.host, blocks <= room else { return false }
    return !tenants.hasLimits || (fitsBesideGuarantees(demand, room, most) && fitsQuota(demand, sequence.tenant))
  }

  private func fitsBesideGuarantees(_ demand: Demand, _ room: Int, _ most: (device: Int, host: Int)) -> Bool {
    guard tenants.hasGuarantees else { return true }
    var (minima, blocks) = (TierBytes(), 0)
    for account in tenants.accounts {
      let own = demand.of(account.tenant)
      var guaranteed = tenants.guaranteedBytes(account.tenant, .disk, in: Admission.usableDisk(disk.capBytes))
      for tier in [Tier.device, .host] {
        let share = tenants.guaranteedBytes(account.tenant, tier, in: self[tier].budgetBytes)
        minima[tier] += max(own.minima[tier], share)
        guaranteed += max(0, share - own.minima[tier])
      }
      blocks += max(own.blocks, guaranteed)
    }
    return minima.device <= most.device && minima.host <= most.host && blocks <= room
  }

  private func fitsQuota(_ demand: Demand, _ tenant: TenantID) -> Bool {
    let own = demand.of(tenant)
    let quota = tenants[tenant].limits.quota
    guard own.minima.device <= quota.device, own.minima.host <= quota.host else { return false }
    let room = [Tier.device, .host, .disk].reduce(0) { $0 + min(quota[$1] - own.minima[$1], 1 << 60) }
    return own.blocks <= room
  }

  /// Whether it is not its tenant's own quota that keeps the sequence waiting.
  func isWithinQuota(_ sequence: Sequence) -> Bool { fitsQuota(demand(with: sequence), sequence.tenant) }

  /// Whether its tenant's guarantee covers what the sequence would reserve: it takes nothing from those before it.
  func isGuaranteed(_ sequence: Sequence) -> Bool {
    guard tenants.hasGuarantees else { return false }
    let own = demand(with: sequence).of(sequence.tenant)
    return [Tier.device, .host].allSatisfy {
      own.minima[$0] <= tenants.guaranteedBytes(sequence.tenant, $0, in: self[$0].budgetBytes)
    }
  }

  /// Whether so much more may be reserved, as the others' reservations are now.
  func canReserve(_ needs: Admission.Needs, for tenant: TenantID) -> Bool {
    for (tier, bytes) in [(Tier.device, needs.device), (.host, needs.host)] {
      let most = self[tier].promisable()
      guard self[tier].reservedBytes + bytes <= most else { return false }
      guard tenants.hasLimits else { continue }
      guard tenants[tenant].reserved[tier] + bytes <= tenants[tenant].limits.quota[tier] else { return false }
      let sum = tenants.accounts.reduce(0) { sum, account in
        let reserved = account.reserved[tier] + (account.tenant == tenant ? bytes : 0)
        return sum + max(reserved, tenants.guaranteedBytes(account.tenant, tier, in: self[tier].budgetBytes))
      }
      guard sum <= most else { return false }
    }
    return true
  }

  /// Adds to (or, negative, takes from) what is reserved.
  mutating func reserve(_ needs: Admission.Needs, for tenant: TenantID, sign: Int = 1) {
    for (tier, bytes) in [(Tier.device, sign * needs.device), (.host, sign * needs.host)] {
      self[tier].reservedBytes += bytes
      tenants[tenant].reserved[tier] += bytes
    }
  }
}
