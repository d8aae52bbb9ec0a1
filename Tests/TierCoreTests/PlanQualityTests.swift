import Testing

@testable import TierCore

/// The plan is known, so what is kept where can be held against the optimum: moves beyond it are at most 2 % of the reads.
@Suite struct PlanQualityTests {
  static let layers = 30
  static let chunks = 16
  static let slotBytes = 4096

  /// One block of a page to a chunk and layer; budgets in slots.
  static func replay(device: Int, host: Int) -> PlanReplay {
    let layout = BlockLayout(element: .bf16, kvHeads: 1, headDim: 64, blockTokens: 16)!
    return PlanReplay(
      .init(layout: layout, layers: layers, totalBlocks: chunks, chunkBlocks: 1),
      budgets: CoreConfiguration(deviceBytes: device * slotBytes, hostBytes: host * slotBytes, diskBytes: 1 << 30))
  }

  /// Slots for blocks that stay, beside rings, staging and transit.
  static func kept(_ replay: PlanReplay, _ tier: Tier) -> Int { replay.core[tier].keepBytes / slotBytes }

  /// Device alone: no more blocks are fetched to it than a memory of its kept slots would miss at best.
  @Test(arguments: [10, 25, 50, 75])
  func theDeviceKeepsWhatTheOptimumKeeps(percent: Int) throws {
    let slots = Self.layers * Self.chunks * percent / 100
    var replay = Self.replay(device: slots, host: 4)
    let counted = replay.run()
    let found = try #require(counted)
    let optimum = Belady.hits(layers: Self.layers, chunks: Self.chunks, slots: Self.kept(replay, .device))
    #expect(found.hits + found.misses == optimum.reads)
    #expect(replay.lost == 0)
    #expect(found.hostToDevice.blocks - (optimum.reads - optimum.hits) <= optimum.reads / 50)
  }

  /// Device and host: what is read from disk is what the optimum of both together would read.
  @Test func theHostKeepsWhatTheDeviceDoesNot() throws {
    let share = Self.layers * Self.chunks / 4
    var replay = Self.replay(device: share, host: share)
    let counted = replay.run()
    let found = try #require(counted)
    let both = Self.kept(replay, .device) + Self.kept(replay, .host)
    let optimum = Belady.hits(layers: Self.layers, chunks: Self.chunks, slots: both)
    #expect(found.diskToHost.blocks - (optimum.reads - optimum.hits) <= optimum.reads / 50)
  }

  /// Weights and KV in one order: with room for half of both, no part of the weights is filled more than the rest must be.
  @Test func weightsAndKVShareOneBudget() throws {
    let layout = BlockLayout(element: .bf16, kvHeads: 1, headDim: 64, blockTokens: 16)!
    let parts = [6 * Self.slotBytes]
    var replay = PlanReplay(
      .init(layout: layout, layers: Self.layers, totalBlocks: Self.chunks, chunkBlocks: 1, weightParts: parts),
      budgets: CoreConfiguration(
        deviceBytes: 200 * Self.slotBytes, hostBytes: 100 * Self.slotBytes, diskBytes: 1 << 30))
    let counted = replay.run()
    let found = try #require(counted)
    #expect(replay.lost == 0)
    // Each part is filled at least once; what the memory holds of them is never filled again.
    let held = (Self.kept(replay, .device) + Self.kept(replay, .host)) / 6
    #expect(replay.filledParts >= Self.layers)
    #expect(replay.filledParts <= Self.layers + (Self.chunks - 1) * max(0, Self.layers - held + 2))
    #expect(found.hostToDisk.blocks <= Self.layers * Self.chunks)
    #expect(replay.core.brokenInvariant() == nil)
  }
}
