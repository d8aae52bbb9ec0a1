// What leaves first where no plan says what is used when: blocks that no open sequence names, and those of sequences
// whose plan gives no order. S3-FIFO (Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023): a block
// is on probation until it is used again, and a tenth of the room is enough to find out. Chosen over ARC because a block
// that is used moves nothing (a lease would have to lock and relink), because a scan passes through probation without
// touching what was found worth keeping, and what it needs to know of evicted blocks, the directory knows: it
// has an entry for all that is on disk.

extension ResidencyCore {
  /// One in this many may be on probation before those there leave first.
  private static let probationShare = 10
  private static let usesCounted: UInt8 = 3

  /// The copy to evict of those without a plan; nil where there is none. Of several tenants' queues, the one that was used
  /// longest ago.
  mutating func unplannedVictim(on tier: Tier, clean: Bool, for claim: Claim) -> BlockHandle? {
    var oldest: BlockHandle?
    for group in idleGroups(on: tier, for: claim) {
      guard let candidate = unplannedVictim(on: tier, clean: clean, in: group) else { continue }
      if let other = oldest, directory[other].lastUse <= directory[candidate].lastUse { continue }
      oldest = candidate
    }
    return oldest
  }

  /// Those whose copies on the tier may leave for the claim.
  private func idleGroups(on tier: Tier, for claim: Claim) -> [Int32] {
    guard lists.idleGroups.count > 1 || claim.canSpill != nil else { return lists.idleGroups }
    return lists.idleGroups.filter { group in
      // Who has no limits is guaranteed nothing, and lacks no quota.
      tenants.accounts.contains { $0.idleGroup == group && mayTake(from: $0.tenant, on: tier, for: claim) }
    }
  }

  /// Each pass evicts, or uses up a use.
  private mutating func unplannedVictim(on tier: Tier, clean: Bool, in group: Int32) -> BlockHandle? {
    while true {
      let probation = lists.list(tier, clean: clean, group: group, layer: EvictionLists.probation)
      let proven = lists.list(tier, clean: clean, group: group, layer: EvictionLists.proven)
      let count = lists.count(probation)
      let isProbationFull = count * Self.probationShare >= count + lists.count(proven)
      if let handle = lists.first(probation), isProbationFull || lists.first(proven) == nil {
        guard directory[handle].uses > 0 else { return handle }
        directory[handle].uses = 0
        directory[handle].isProven = true
        relist(handle)
      } else if let handle = lists.first(proven) {
        guard directory[handle].uses > 0 else { return handle }
        directory[handle].uses -= 1
        lists.remove(handle, tier, in: &directory)
        lists.append(handle, tier, to: proven, in: &directory)
      } else {
        return nil
      }
    }
  }

  /// Counts a use of a block that is, or was before it left memory, without a plan.
  mutating func countUse(_ handle: BlockHandle) {
    directory[handle].uses = min(directory[handle].uses + 1, Self.usesCounted)
    let evictedAt = directory[handle].evictedAt
    guard evictedAt > 0 else { return }
    directory[handle].evictedAt = 0
    // It came back while others that left no sooner would still be here in a memory twice as large: it is worth a place.
    guard unplannedEvictions - evictedAt <= UInt64(unplannedCopies) else { return }
    directory[handle].isProven = true
    relist(handle)
  }

  mutating func rememberEviction(_ handle: BlockHandle) {
    unplannedEvictions += 1
    directory[handle].evictedAt = unplannedEvictions
    (directory[handle].uses, directory[handle].isProven) = (0, false)
  }

  /// Copies on the compute tier whose next use nobody knows.
  private var unplannedCopies: Int {
    var sum = 0
    for group in lists.idleGroups {
      for clean in [true, false] {
        for row in [EvictionLists.probation, EvictionLists.proven] {
          sum += lists.count(lists.list(computeTier, clean: clean, group: group, layer: row))
        }
      }
    }
    return sum
  }

  /// Room to keep one more copy, of a block whose next use nobody knows: others like it give way.
  mutating func makeKeepRoom(_ bytes: Int, of tenant: TenantID, on tier: Tier) -> Bool {
    while !canKeep(bytes, of: tenant, on: tier) {
      let claim = claim(bytes, by: tenant, on: tier)
      guard let victim = unplannedVictim(on: tier, clean: true, for: claim) else { return false }
      displace(victim, on: tier, for: claim)
    }
    return true
  }
}
