// Tenants: whose blocks may leave for whom. A tenant's blocks within its guarantee leave for its own alone; above its
// quota it displaces only itself. What is guaranteed and not used, others use until it is claimed.

extension ResidencyCore {
  /// On whose behalf something must leave, and of whose.
  struct Claim {
    enum Scope {
      /// The tenant's own, and others' beyond their guarantees.
      case anyone
      /// The tenant's own alone: it is its quota that has no room.
      case itself
      /// Others' beyond their guarantees: the tenant is below its own.
      case others
      /// Whosever: nothing is taken from anybody, as when all is written for a stop.
      case everyone
    }
    /// Nil: the machine, or the operator.
    var tenant: TenantID?
    var scope = Scope.anyone
    /// Only of tenants whose blocks the disk takes, or does not.
    var canSpill: Bool?

    static let everyone = Claim(scope: .everyone)
  }

  mutating func openAccount(_ tenant: TenantID) {
    guard tenants.find(tenant) == nil else { return }
    let isLimited = tenants.policy.limits(of: tenant).limitsStorage
    tenants.open(tenant, idleGroup: isLimited ? lists.addIdleGroup() : EvictionLists.idle)
  }

  /// The block's handle, new if need be; nil if the key is known with another layout.
  mutating func intern(_ key: BlockKey, _ layout: BlockLayout) -> BlockHandle? {
    openAccount(key.tenant)
    return directory.intern(key, layout, group: tenants[key.tenant].idleGroup)
  }

  /// New limits take effect at once: who is above them shrinks, who is below its guarantee claims it as it goes on.
  mutating func setTenants(_ policy: TenantPolicy) {
    tenants.set(policy)
    for tenant in policy.limits.keys.sorted(by: { $0.rawValue < $1.rawValue }) { openAccount(tenant) }
    for account in tenants.accounts where account.limits.limitsStorage && account.idleGroup == EvictionLists.idle {
      separate(account.tenant)
    }
    diskFull.removeAll()
    for sequence in openSequences { trimToMinimum(sequence) }
    refuseImpossible()
    for account in tenants.accounts { shrinkDisk(of: account.tenant) }
    mayProceed = true
  }

  /// Blocks of a tenant that had no limits so far get lists of their own.
  private mutating func separate(_ tenant: TenantID) {
    let group = lists.addIdleGroup()
    tenants[tenant].idleGroup = group
    for sequence in openSequences where sequence.tenant == tenant { sequence.idleGroup = group }
    for handle in directory.handles
    where directory[handle].key.tenant == tenant && directory[handle].group == EvictionLists.idle {
      regroup(handle, to: group)
    }
  }

  /// Whether a copy of the owner's on a tier of memory may leave for the claim.
  func mayTake(from owner: TenantID, on tier: Tier, for claim: Claim) -> Bool {
    if let canSpill = claim.canSpill, self.canSpill(owner) != canSpill { return false }
    switch claim.scope {
    case .everyone: return true
    case .itself: return owner == claim.tenant
    case .anyone: return owner == claim.tenant || isBeyondGuarantee(owner, tier)
    case .others: return owner != claim.tenant && isBeyondGuarantee(owner, tier)
    }
  }

  private func isBeyondGuarantee(_ tenant: TenantID, _ tier: Tier) -> Bool {
    guard tenants.hasGuarantees else { return true }
    return tenants[tenant].kept[tier] > tenants.protectedBytes(tenant, tier, keepBytes: self[tier].keepBytes)
  }

  /// Whether the tenant may claim a place for so much more, whoever beyond its guarantee uses it and how soon.
  func isGuaranteed(_ bytes: Int, to tenant: TenantID, on tier: Tier) -> Bool {
    guard tenants.hasGuarantees else { return false }
    return tenants[tenant].kept[tier] + bytes
      <= tenants.protectedBytes(tenant, tier, keepBytes: self[tier].keepBytes)
  }

  /// Whether so much more of the tenant's blocks may be kept, as far as its quota is concerned.
  func isWithinQuota(_ bytes: Int, of tenant: TenantID, on tier: Tier) -> Bool {
    guard tenants.hasQuotas else { return true }
    return tenants[tenant].kept[tier] + bytes <= tenants[tenant].keepLimit(tier)
  }

  func canKeep(_ bytes: Int, of tenant: TenantID, on tier: Tier) -> Bool {
    self[tier].keptBytes + bytes <= self[tier].keepBytes && isWithinQuota(bytes, of: tenant, on: tier)
  }

  /// Who may have to leave so that the tenant can keep so much more.
  func claim(_ bytes: Int, by tenant: TenantID, on tier: Tier) -> Claim {
    Claim(tenant: tenant, scope: isWithinQuota(bytes, of: tenant, on: tier) ? .anyone : .itself)
  }

  /// Drops a copy so that there is room for what claims it.
  mutating func displace(_ handle: BlockHandle, on tier: Tier, for claim: Claim) {
    let owner = directory[handle].key.tenant
    if let tenant = claim.tenant, tenant != owner { tenants[owner].counts.displaced += 1 }
    dropCopy(handle, on: tier)
  }

  /// Makes a place for a block that a guarantee covers: clean copies of tenants beyond theirs leave, however soon they are
  /// used. False where there is none; those that are not clean are made so, for the next.
  mutating func claimGuaranteed(_ handle: BlockHandle, on tier: Tier, isRoomNeeded: Bool) -> Bool {
    let (tenant, bytes) = (directory[handle].key.tenant, directory[handle].layout.slotBytes)
    guard isGuaranteed(bytes, to: tenant, on: tier) else { return false }
    let claim = Claim(tenant: tenant, scope: .others)
    while !canKeep(bytes, of: tenant, on: tier) || (isRoomNeeded && !self[tier].hasKeepRoom(bytes)) {
      guard let victim = victim(on: tier, clean: true, fartherThan: nil, for: claim) else {
        if victim(on: tier, clean: false, fartherThan: nil, for: claim) != nil { press(tier, for: claim) }
        return false
      }
      displace(victim, on: tier, for: claim)
    }
    return true
  }

  /// Brings tenants back under quotas that were lowered.
  mutating func shrinkTenants() {
    guard tenants.hasQuotas else { return }
    for account in tenants.accounts {
      for tier in [Tier.device, .host] where account.limits.quota[tier] != TenantLimits.unlimited {
        shrink(account.tenant, on: tier)
      }
    }
  }

  private mutating func shrink(_ tenant: TenantID, on tier: Tier) {
    let claim = Claim(tenant: tenant, scope: .itself)
    while tenants[tenant].used(tier) > tenants[tenant].limits.quota[tier] {
      if let victim = victim(on: tier, clean: true, fartherThan: nil, for: claim) {
        displace(victim, on: tier, for: claim)
      } else {
        guard victim(on: tier, clean: false, fartherThan: nil, for: claim) != nil else { return }
        press(tier, for: claim)
        guard dropUnspillable(on: tier, for: claim) else { return }
      }
    }
  }
}

// The disk's share of each.
extension ResidencyCore {
  /// Whether blocks of the tenant can be written now.
  func canSpill(_ tenant: TenantID) -> Bool {
    disk.isUsable && (diskFull.isEmpty || !diskFull.contains(tenants[tenant].idleGroup))
  }

  /// Makes room on disk for one more block: within its tenant's quota, and beside what others are guaranteed and have not
  /// used yet. False where only records leave that must stay.
  mutating func makeDiskRoom(_ handle: BlockHandle) -> Bool {
    guard tenants.hasLimits else { return true }
    let (tenant, bytes) = (directory[handle].key.tenant, directory[handle].layout.payloadBytes)
    while let scope = lackOnDisk(bytes, tenant) {
      guard forgetIdleRecords(for: Claim(tenant: tenant, scope: scope)) else { return false }
    }
    return true
  }

  /// Of whose records some must be forgotten; nil where there is room.
  private func lackOnDisk(_ bytes: Int, _ tenant: TenantID) -> Claim.Scope? {
    let account = tenants[tenant]
    let own = account.kept.disk + account.writingBytes + bytes
    if own > account.limits.quota.disk { return .itself }
    guard tenants.hasGuarantees, own > guaranteedDiskBytes(tenant) else { return nil }
    var claimed = disk.storedBytes + bytes
    for other in tenants.accounts {
      claimed += other.writingBytes
      guard other.tenant != tenant else { continue }
      claimed += max(0, guaranteedDiskBytes(other.tenant) - other.kept.disk - other.writingBytes)
    }
    return claimed > Admission.usableDisk(disk.capBytes) ? .anyone : nil
  }

  private func guaranteedDiskBytes(_ tenant: TenantID) -> Int {
    tenants.guaranteedBytes(tenant, .disk, in: Admission.usableDisk(disk.capBytes))
  }

  /// Whether an idle block's record may be forgotten for the claim. Its copies in memory go with it.
  func mayForget(_ handle: BlockHandle, for claim: Claim) -> Bool {
    let owner = directory[handle].key.tenant
    if owner == claim.tenant { return true }
    guard claim.scope != .itself else { return false }
    guard tenants.hasGuarantees else { return true }
    guard tenants[owner].kept.disk > guaranteedDiskBytes(owner) else { return false }
    return [Tier.device, .host].allSatisfy {
      directory[handle][$0].state == .none || isBeyondGuarantee(owner, $0)
    }
  }

  /// Forgets what idle blocks have beyond their tenant's quota; those in use follow when they are idle.
  mutating func shrinkDisk(of tenant: TenantID) {
    guard tenants.hasQuotas else { return }
    while tenants[tenant].kept.disk > tenants[tenant].limits.quota.disk,
      forgetIdleRecords(for: Claim(tenant: tenant, scope: .itself))
    {}
  }

  /// Its part of the disk takes nothing more of the tenant for a while.
  mutating func blockDisk(of tenant: TenantID) {
    diskFull.insert(tenants[tenant].idleGroup)
    disk.retryAtMs = nowMs + Self.diskRetryMs
    let waiting = transitWrites.elements
    transitWrites.removeAll { _ in true }
    for handle in waiting { queueTransitWrite(handle) }
  }

  /// Where making copies clean is no way out, because the disk takes nothing, or nothing of the tenants they belong to:
  /// one of those goes, and with it the block. False where there is none, or something else may help yet.
  mutating func dropUnspillable(on tier: Tier, for claim: Claim) -> Bool {
    guard disk.isUsable else { return dropDirtyVictim(on: tier, fartherThan: nil, for: claim) }
    guard !diskFull.isEmpty, writesInFlight == 0, demotionsInFlight == 0 else { return false }
    var claim = claim
    claim.canSpill = true
    guard victim(on: tier, clean: false, fartherThan: nil, for: claim) == nil else { return false }
    claim.canSpill = false
    return dropDirtyVictim(on: tier, fartherThan: nil, for: claim)
  }
}
