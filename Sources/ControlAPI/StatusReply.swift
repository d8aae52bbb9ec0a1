/// `GET /v1/status`: the daemon at one moment. Counters are sums since its start; a reader subtracts two readings.
public struct StatusReply: Codable, Sendable, Equatable {
  public var version: String
  public var pid: Int32
  public var uptimeS: Double
  /// A word chosen at start: two readings with different ones are of different lives of the daemon.
  public var instance: String
  /// No new sequences are taken; those that run are let finish.
  public var draining: Bool
  /// From the fastest down; a tier the daemon does not have is left out.
  public var tiers: [TierStatus]
  /// The host tier's parts, by NUMA node.
  public var pools: [PoolStatus]
  public var moves: [MoveStatus]
  /// Blocks an acquire found resident / had to wait for / found nowhere.
  public var hits: Int
  public var misses: Int
  public var lost: Int
  /// Blocks of sliding and chunked layers that every sequence had passed: dropped everywhere.
  public var retired: Int
  /// Leases held at this moment.
  public var leases: Int
  public var sessions: Int
  public var sequences: SequenceCounts
  /// Nil where there is no disk tier.
  public var spill: SpillStatus?
  public var latencies: [LatencyStatus]
  /// Nil where memory pressure is not watched.
  public var pressure: PressureStatus?
  /// Those with limits, workers or blocks.
  public var tenants: [TenantStatus]
  /// As configured, or set since.
  public var tenantTable: TenantTable
  /// Nil where the device tier is emulated, or there is none.
  public var device: DeviceStatus?

  public init(
    version: String, pid: Int32, uptimeS: Double, instance: String, draining: Bool, tiers: [TierStatus],
    moves: [MoveStatus], hits: Int, misses: Int, lost: Int, retired: Int, leases: Int, sessions: Int,
    sequences: SequenceCounts,
    spill: SpillStatus?, latencies: [LatencyStatus], pressure: PressureStatus? = nil, pools: [PoolStatus] = [],
    device: DeviceStatus? = nil, tenants: [TenantStatus] = [], tenantTable: TenantTable = TenantTable()
  ) {
    self.version = version
    self.pid = pid
    self.uptimeS = uptimeS
    self.instance = instance
    self.draining = draining
    self.tiers = tiers
    self.pools = pools
    self.moves = moves
    self.hits = hits
    self.misses = misses
    self.lost = lost
    self.retired = retired
    self.leases = leases
    self.sessions = sessions
    self.sequences = sequences
    self.spill = spill
    self.latencies = latencies
    self.pressure = pressure
    self.tenants = tenants
    self.tenantTable = tenantTable
    self.device = device
  }
}

/// What one tier holds. `usedBytes` is everything that counts against the budget.
public struct TierStatus: Codable, Sendable, Equatable {
  /// `device`, `host` or `disk`.
  public var name: String
  /// What the operator gave it, and what it may use of that now: less while the machine is short of memory.
  public var budgetBytes: Int
  public var effectiveBudgetBytes: Int
  public var usedBytes: Int
  public var peakBytes: Int
  /// Of `usedBytes`: blocks kept for their next use. Where the tier does not tell the two apart, all of it.
  public var keptBytes: Int
  /// Of `usedBytes`: the ring through which blocks stream that are not kept.
  public var ringBytes: Int
  public var blocks: Int

  public init(
    name: String, budgetBytes: Int, effectiveBudgetBytes: Int? = nil, usedBytes: Int, peakBytes: Int, keptBytes: Int,
    ringBytes: Int, blocks: Int
  ) {
    self.name = name
    self.budgetBytes = budgetBytes
    self.effectiveBudgetBytes = effectiveBudgetBytes ?? budgetBytes
    self.usedBytes = usedBytes
    self.peakBytes = peakBytes
    self.keptBytes = keptBytes
    self.ringBytes = ringBytes
    self.blocks = blocks
  }
}

/// Blocks moved along one link. `from` is a tier's name, or `worker` for blocks born from a staging slot.
public struct MoveStatus: Codable, Sendable, Equatable {
  public var from: String
  public var to: String
  public var blocks: Int
  public var bytes: Int

  public init(from: String, to: String, blocks: Int, bytes: Int) {
    self.from = from
    self.to = to
    self.blocks = blocks
    self.bytes = bytes
  }
}

/// Sequences that run, and those that wait for memory.
public struct SequenceCounts: Codable, Sendable, Equatable {
  public var open: Int
  public var queued: Int

  public init(open: Int, queued: Int) {
    self.open = open
    self.queued = queued
  }
}

/// How long one kind of work took, over the daemon's life.
public struct LatencyStatus: Codable, Sendable, Equatable {
  /// `acquire`, `seal`, `disk_read`, …: lower case, words joined by `_`.
  public var name: String
  public var count: Int
  public var sumUs: Double
  public var p50Us: Double
  public var p99Us: Double
  public var maxUs: Double

  public init(name: String, count: Int, sumUs: Double, p50Us: Double, p99Us: Double, maxUs: Double) {
    self.name = name
    self.count = count
    self.sumUs = sumUs
    self.p50Us = p50Us
    self.p99Us = p99Us
    self.maxUs = maxUs
  }
}
