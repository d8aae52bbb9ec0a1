import ControlAPI
import TierCore

/// A splitmix64 generator: the same numbers from the same seed, everywhere.
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}

enum Samples {
  static var status: StatusReply {
    StatusReply(
      version: "0.1.0", pid: 4242, uptimeS: 192.25, instance: "a1b2", draining: false,
      tiers: [
        TierStatus(
          name: "device", budgetBytes: 48 << 20, usedBytes: 36 << 20, peakBytes: 48 << 20, keptBytes: 30 << 20,
          ringBytes: 6 << 20, blocks: 192),
        TierStatus(
          name: "disk", budgetBytes: 2 << 30, usedBytes: 91 << 20, peakBytes: 91 << 20, keptBytes: 91 << 20,
          ringBytes: 0, blocks: 1234),
      ],
      moves: [MoveStatus(from: "worker", to: "device", blocks: 1426, bytes: 1426 * 196_608)],
      hits: 12_345, misses: 55, lost: 0, retired: 7, leases: 32, sessions: 1,
      sequences: SequenceCounts(open: 1, queued: 2),
      spill: SpillStatus(
        records: 1234, liveBytes: 90 << 20, deadBytes: 1 << 20, fileBytes: 92 << 20, originalBytes: 140 << 20,
        storedBytes: 100 << 20, health: "ok"),
      latencies: [
        LatencyStatus(name: "acquire", count: 5000, sumUs: 40_000, p50Us: 7.5, p99Us: 1234, maxUs: 2_500_000)
      ],
      tenants: [
        TenantStatus(
          name: "team", id: 0x8000_0001, sessions: 3, maxSessions: 16, sequences: SequenceCounts(open: 1, queued: 2),
          shares: [
            .init(
              tier: "host", keptBytes: 300 << 20, reservedBytes: 12 << 20, guaranteeBytes: 512 << 20,
              quotaBytes: 2 << 30)
          ], hits: 12_000, misses: 50, lost: 1, displaced: 3)
      ], tenantTable: table)
  }

  static var table: TenantTable {
    var limits = TenantTable.Limits()
    limits.hostGuaranteeBytes = 512 << 20
    limits.hostQuotaBytes = 2 << 30
    limits.connections = 16
    return TenantTable(tenants: [.init(name: "team", uids: [1001, 1002], limits: limits)])
  }

  static func key(_ word: UInt64, layer: UInt16 = 0, tenant: UInt32 = 0) -> BlockKey {
    BlockKey(tenant: TenantID(tenant), id: BlockID(a: word, b: 1, c: 2, d: 3), layer: layer)
  }

  static func randomKey(_ random: inout SeededGenerator) -> BlockKey {
    // Few values, so that keys agree in some parts and not in others.
    let id = BlockID(
      a: .random(in: 0...2, using: &random), b: .random(in: 0...2, using: &random), c: 0,
      d: .random(in: .min ... .max, using: &random))
    return BlockKey(
      tenant: TenantID(.random(in: 0...1, using: &random)), id: id, layer: .random(in: 0...3, using: &random))
  }
}
