/// What each tenant has of the store, and its limits. Few, found by a binary search; the latest is asked for again and
/// again.
struct TenantAccounts {
  struct Account {
    let tenant: TenantID
    var limits: TenantLimits
    /// The lists its blocks without a plan stand in: its own where it has limits, else those of all others.
    var idleGroup: Int32
    /// Blocks kept on the tiers of memory; of the disk, records.
    var kept = TierBytes()
    /// For its admitted sequences.
    var reserved = TierBytes()
    /// Payloads being written to disk.
    var writingBytes = 0
    var counts = TenantCounts()

    /// What counts against its quota.
    func used(_ tier: Tier) -> Int { kept[tier] + reserved[tier] }
    /// What its quota leaves for blocks that are kept.
    func keepLimit(_ tier: Tier) -> Int { limits.quota[tier] - reserved[tier] }
    /// Guaranteed, and not taken up by its reservations.
    func unreserved(_ tier: Tier) -> Int { max(0, limits.guaranteed[tier] - reserved[tier]) }
  }

  private(set) var accounts: [Account] = []
  private var latest = 0
  /// Whether any tenant has a guarantee, or a quota of storage.
  private(set) var hasGuarantees = false
  private(set) var hasQuotas = false
  private(set) var policy = TenantPolicy()

  var hasLimits: Bool { hasGuarantees || hasQuotas }

  subscript(tenant: TenantID) -> Account {
    _read { yield accounts[known(tenant)] }
    _modify {
      latest = known(tenant)
      yield &accounts[latest]
    }
  }

  func find(_ tenant: TenantID) -> Account? {
    let place = place(of: tenant)
    return place < accounts.count && accounts[place].tenant == tenant ? accounts[place] : nil
  }

  private func known(_ tenant: TenantID) -> Int {
    if latest < accounts.count, accounts[latest].tenant == tenant { return latest }
    let place = place(of: tenant)
    precondition(place < accounts.count && accounts[place].tenant == tenant, "a tenant's account is opened first")
    return place
  }

  /// Where the tenant's account is, or would be.
  private func place(of tenant: TenantID) -> Int {
    var low = 0
    var high = accounts.count
    while low < high {
      let middle = (low + high) / 2
      if accounts[middle].tenant.rawValue < tenant.rawValue { low = middle + 1 } else { high = middle }
    }
    return low
  }

  mutating func open(_ tenant: TenantID, idleGroup: Int32) {
    let account = Account(tenant: tenant, limits: policy.limits(of: tenant), idleGroup: idleGroup)
    accounts.insert(account, at: place(of: tenant))
    note()
  }

  mutating func set(_ policy: TenantPolicy) {
    self.policy = policy
    for index in accounts.indices { accounts[index].limits = policy.limits(of: accounts[index].tenant) }
    note()
  }

  private mutating func note() {
    hasGuarantees = accounts.contains { $0.limits.guaranteed.sum > 0 }
    hasQuotas = accounts.contains { account in
      [Tier.device, .host, .disk].contains { account.limits.quota[$0] != TenantLimits.unlimited }
    }
  }

  /// How much of the tenant's kept bytes on a tier of memory nobody else may take, where all that is kept there may be
  /// `keepBytes`: its guarantee less what its sequences reserve, or its part where guarantees exceed what there is.
  func protectedBytes(_ tenant: TenantID, _ tier: Tier, keepBytes: Int) -> Int {
    guard hasGuarantees else { return 0 }
    let own = self[tenant].unreserved(tier)
    guard own > 0 else { return 0 }
    return Self.part(own, of: accounts.reduce(0) { $0 + $1.unreserved(tier) }, in: keepBytes)
  }

  /// The tenant's guarantee of a tier that holds `capacityBytes` in all, or its part where guarantees exceed that.
  func guaranteedBytes(_ tenant: TenantID, _ tier: Tier, in capacityBytes: Int) -> Int {
    let own = self[tenant].limits.guaranteed[tier]
    guard own > 0 else { return 0 }
    return Self.part(own, of: accounts.reduce(0) { $0 + $1.limits.guaranteed[tier] }, in: capacityBytes)
  }

  /// `share` where `all` fit into `capacity`, else its part, rounded down.
  private static func part(_ share: Int, of all: Int, in capacity: Int) -> Int {
    guard all > capacity else { return share }
    return all.dividingFullWidth(share.multipliedFullWidth(by: max(0, capacity))).quotient
  }
}

/// Sums since the start.
public struct TenantCounts: Sendable, Hashable {
  /// Blocks its acquires found resident / had to wait for / found nowhere.
  public var hits = 0
  public var misses = 0
  public var lost = 0
  /// Copies of its blocks in memory that made room for another tenant.
  public var displaced = 0
}
