public import TierCore

/// Tenants by name: whose user ids they are, what they are promised and may have. A user id in none of them is a tenant of
/// its own.
public struct TenantTable: Codable, Sendable, Equatable {
  /// What is nil is not limited; a guarantee that is nil is none.
  public struct Limits: Codable, Sendable, Equatable {
    public var deviceGuaranteeBytes: Int?
    public var hostGuaranteeBytes: Int?
    public var diskGuaranteeBytes: Int?
    public var deviceQuotaBytes: Int?
    public var hostQuotaBytes: Int?
    public var diskQuotaBytes: Int?
    /// Connections at once.
    public var connections: Int?

    public init() {}

    public init(_ limits: TenantLimits) {
      func some(_ bytes: Int, unless none: Int) -> Int? { bytes == none ? nil : bytes }
      (deviceGuaranteeBytes, deviceQuotaBytes) = (
        some(limits.guaranteed.device, unless: 0), some(limits.quota.device, unless: TenantLimits.unlimited)
      )
      (hostGuaranteeBytes, hostQuotaBytes) = (
        some(limits.guaranteed.host, unless: 0), some(limits.quota.host, unless: TenantLimits.unlimited)
      )
      (diskGuaranteeBytes, diskQuotaBytes) = (
        some(limits.guaranteed.disk, unless: 0), some(limits.quota.disk, unless: TenantLimits.unlimited)
      )
      connections = some(limits.connections, unless: TenantLimits.unlimited)
    }

    public var limits: TenantLimits {
      var limits = TenantLimits()
      limits.guaranteed = TierBytes(
        device: deviceGuaranteeBytes ?? 0, host: hostGuaranteeBytes ?? 0, disk: diskGuaranteeBytes ?? 0)
      for (tier, quota) in [(Tier.device, deviceQuotaBytes), (.host, hostQuotaBytes), (.disk, diskQuotaBytes)] {
        if let quota { limits.quota[tier] = quota }
      }
      if let connections { limits.connections = connections }
      return limits
    }
  }

  public struct Tenant: Codable, Sendable, Equatable {
    public var name: String
    public var uids: [UInt32]
    public var limits: Limits

    public init(name: String, uids: [UInt32], limits: Limits) {
      self.name = name
      self.uids = uids
      self.limits = limits
    }
  }

  public var tenants: [Tenant]
  /// Of each tenant that has no name, for itself.
  public var others: Limits

  public init(tenants: [Tenant] = [], others: Limits = Limits()) {
    self.tenants = tenants
    self.others = others
  }

  /// The word that stands for those without a name.
  public static let othersName = "others"
  public static let maxTenants = 256
  public static let maxNameBytes = 32

  public var policy: TenantPolicy {
    let limits = tenants.map { (TenantID(name: $0.name), $0.limits.limits) }
    return TenantPolicy(limits: Dictionary(limits) { first, _ in first }, others: others.limits)
  }
}

// What can be wrong with it.
extension TenantTable {
  /// Why the table makes no sense whatever the store: which tenant, what, and what to do. Nil where it does.
  public var fault: String? {
    if tenants.count > Self.maxTenants { return "\(tenants.count) tenants, and \(Self.maxTenants) are possible" }
    var owners: [UInt32: String] = [:]
    var ids: [TenantID: String] = [:]
    for tenant in tenants {
      if let fault = Self.fault(inName: tenant.name) { return fault }
      if let other = ids.updateValue(tenant.name, forKey: TenantID(name: tenant.name)) {
        return other == tenant.name
          ? "\(tenant.name) is there twice" : "\(tenant.name) and \(other) have the same number: rename one"
      }
      if tenant.uids.isEmpty { return "\(tenant.name): no uids: name at least one" }
      for uid in tenant.uids {
        if uid == .max { return "\(tenant.name): \(uid) is no user id" }
        if let other = owners.updateValue(tenant.name, forKey: uid) {
          return "\(tenant.name): uid \(uid) is \(other == tenant.name ? "there twice" : "in \(other) already")"
        }
      }
      if let fault = Self.fault(in: tenant.limits) { return "\(tenant.name): \(fault)" }
    }
    return Self.fault(in: others).map { "\(Self.othersName): \($0)" }
      ?? (others.limits.guaranteed.sum > 0
        ? "\(Self.othersName): nothing can be guaranteed to users without number: name them" : nil)
  }

  private static func fault(inName name: String) -> String? {
    let isWord =
      name.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"),
          UInt8(ascii: "-"):
          true
        default: false
        }
      } && name.utf8.first.map { $0 >= UInt8(ascii: "a") } ?? false
    guard isWord, name.utf8.count <= maxNameBytes, name != othersName else {
      return
        "'\(name.prefix(64))' cannot name a tenant: up to \(maxNameBytes) of a-z, 0-9, - and _, a letter first, and "
        + "not '\(othersName)'"
    }
    return nil
  }

  private static func fault(in limits: Limits) -> String? {
    let numbers = [
      limits.deviceGuaranteeBytes, limits.hostGuaranteeBytes, limits.diskGuaranteeBytes, limits.deviceQuotaBytes,
      limits.hostQuotaBytes, limits.diskQuotaBytes,
    ]
    if numbers.contains(where: { ($0 ?? 0) < 0 || ($0 ?? 0) > 1 << 50 }) { return "a limit is no size" }
    if let connections = limits.connections, connections < 1 { return "connections: at least 1" }
    for tier in Tier.allCases where limits.limits.guaranteed[tier] > limits.limits.quota[tier] {
      return "\(tier.name)_guarantee is more than \(tier.name)_quota"
    }
    return nil
  }

  /// Why a budget is too small for what is guaranteed of the tier; nil where it is not.
  public func fault(ofBudget bytes: Int, _ tier: Tier) -> String? {
    let guaranteed = policy.guaranteedBytes(tier)
    let usable = tier == .disk ? TenantPolicy.usableDiskBytes(bytes) : bytes
    guard guaranteed > usable else { return nil }
    return "tenants are guaranteed \(ByteCount.text(guaranteed)) of the \(tier.name) tier, and it has "
      + "\(ByteCount.text(usable)) for blocks: guarantee less, or raise its budget"
  }
}
