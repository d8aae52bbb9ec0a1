/// One number of bytes for each tier.
public struct TierBytes: Sendable, Hashable {
  public var device: Int
  public var host: Int
  public var disk: Int

  public init(device: Int = 0, host: Int = 0, disk: Int = 0) {
    self.device = device
    self.host = host
    self.disk = disk
  }

  public subscript(tier: Tier) -> Int {
    get {
      switch tier {
      case .device: device
      case .host: host
      case .disk: disk
      }
    }
    set {
      switch tier {
      case .device: device = newValue
      case .host: host = newValue
      case .disk: disk = newValue
      }
    }
  }

  public var sum: Int { device + host + disk }
}

/// What a tenant is promised of each tier, and the most it may have.
///
/// Of memory both count blocks that are kept and what open sequences reserve (rings, staging, transit); of the disk, what
/// its records take. A guarantee covers the whole blocks that fit into it; where a tier has less than all its
/// guarantees together, each has its part of it.
public struct TenantLimits: Sendable, Hashable {
  /// Stands for no limit.
  public static let unlimited = Int.max

  public var guaranteed = TierBytes()
  public var quota = TierBytes(device: unlimited, host: unlimited, disk: unlimited)
  /// Connections at once.
  public var connections = unlimited

  public init() {}

  /// Whether the store has to tell the tenant's memory and disk from that of others.
  var limitsStorage: Bool { self != TenantLimits(connections: connections) }

  private init(connections: Int) { self.connections = connections }
}

/// The limits of all tenants.
public struct TenantPolicy: Sendable, Hashable {
  public var limits: [TenantID: TenantLimits]
  /// Of each tenant that is not among them, for itself.
  public var others: TenantLimits

  public init(limits: [TenantID: TenantLimits] = [:], others: TenantLimits = TenantLimits()) {
    self.limits = limits
    self.others = others
  }

  public func limits(of tenant: TenantID) -> TenantLimits { limits[tenant] ?? others }

  /// Of a cap on the spill's files, what blocks can have.
  public static func usableDiskBytes(_ capBytes: Int) -> Int { Admission.usableDisk(capBytes) }

  /// What all tenants together are guaranteed.
  public func guaranteedBytes(_ tier: Tier) -> Int { limits.values.reduce(0) { $0 + $1.guaranteed[tier] } }
}

extension TenantID {
  /// Ids from here on are those of names. Linux gives user ids up to 4294967294, and those above 2147483647 to nobody.
  public static let firstNamed: UInt32 = 1 << 31

  /// The tenant of a name: the upper half of the ids, by FNV-1a (32 bits) over the name's UTF-8 folded to 31. It depends on
  /// the name alone, so that blocks on disk stay their tenant's whoever is in it; two names may collide, which whoever
  /// takes them from a user must refuse.
  public init(name: String) {
    var hash: UInt32 = 0x811C_9DC5
    for byte in name.utf8 { hash = (hash ^ UInt32(byte)) &* 0x0100_0193 }
    self.init(Self.firstNamed | (hash ^ hash >> 31))
  }

  public var isNamed: Bool { rawValue >= Self.firstNamed }
}
