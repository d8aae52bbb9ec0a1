import Testing
import TierTesting

@testable import TierCore

/// A worker that uses blocks strictly in index order, and lets each go before it takes the next, always gets the next
/// one: whatever is prefetched, kept and evicted meanwhile.
@Suite struct OrderedProgressTests {
  private static let layout = BlockLayout(element: .bf16, kvHeads: 1, headDim: 64, blockTokens: 16)!

  @Test(arguments: [Tier.device, .host])
  func budgetsThatMoveNeverHoldItUp(computeTier: Tier) throws {
    for seed in UInt64(1)...400 {
      var random = SeededRandom(seed: seed)
      let slot = Self.layout.slotBytes
      let compute = random.int(6...60)
      let (device, host) = computeTier == .device ? (compute, random.int(8...40)) : (0, compute + 6)
      let chunkBlocks = random.int(1...3)
      var replay = PlanReplay(
        .init(
          layout: Self.layout, layers: random.int(1...6), totalBlocks: random.int(4...32), chunkBlocks: chunkBlocks,
          ringSlots: random.int(1...4)),
        budgets: CoreConfiguration(deviceBytes: device * slot, hostBytes: host * slot, diskBytes: 1 << 30))
      guard replay.refusal == nil else { continue }
      let counted = replay.run { _ in
        guard random.once(in: 3) else { return nil }
        let slots = random.int(4...70)
        return .setBudget(computeTier, bytes: slots * slot)
      }
      #expect(!replay.isStuck, "seed \(seed)")
      #expect(replay.core.brokenInvariant() == nil, "seed \(seed)")
      #expect(counted != nil || replay.isStuck, "seed \(seed)")
      if replay.isStuck { return }
    }
  }
}
