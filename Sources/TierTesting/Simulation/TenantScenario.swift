public import TierCore

/// What a scenario's tenants are promised and may have, and whether one of them is watched.
///
/// The watched tenant reads one prompt before the others come, within its guarantee, and is quiet from then on: what it
/// has in memory and on disk must still be there whatever the others do.
public struct TenantScenario: Sendable {
  public static let watched = TenantID(9)

  /// Nil: no tenant has limits.
  public var policy: TenantPolicy?
  /// Blocks of the watched tenant's prompt; 0 where there is none.
  public var watchedBlocks = 0
  /// One event in this many gives tenants other limits; 0 never.
  public var changes = 0

  public init() {}

  init(_ scenario: Scenario, _ random: inout SeededRandom) {
    guard random.once(in: 2) else { return }
    policy = Self.policy(scenario, &random)
    changes = random.once(in: 2) ? random.int(30...300) : 0
    let room = min(scenario.deviceSlots == 0 ? .max : scenario.deviceSlots, scenario.hostSlots) / 3
    guard random.once(in: 2), room >= 4 else { return }
    watchedBlocks = random.int(1...min(room - 3, 8))
    changes = 0
    policy!.limits[Self.watched] = TenantLimits()
    policy!.limits[Self.watched]!.guaranteed = TierBytes(
      device: (watchedBlocks + 3) * Scenario.slotBytes, host: (watchedBlocks + 3) * Scenario.slotBytes,
      disk: min(scenario.diskSlots / 3, watchedBlocks) * Scenario.slotBytes)
  }

  /// Guarantees of a third of each tier at most, so that those of three tenants fit; quotas of anything.
  static func policy(_ scenario: Scenario, _ random: inout SeededRandom) -> TenantPolicy {
    var policy = TenantPolicy()
    for tenant in 1...UInt32(scenario.tenants) where !random.once(in: 3) {
      var limits = TenantLimits()
      let slots = TierBytes(device: scenario.deviceSlots, host: scenario.hostSlots, disk: scenario.diskSlots)
      for tier in Tier.allCases {
        if random.once(in: 2) { limits.guaranteed[tier] = random.int(0...slots[tier] / 3) * Scenario.slotBytes }
        if random.once(in: 3) {
          limits.quota[tier] = max(limits.guaranteed[tier], random.int(0...slots[tier]) * Scenario.slotBytes)
        }
      }
      policy.limits[TenantID(tenant)] = limits
    }
    return policy
  }
}
