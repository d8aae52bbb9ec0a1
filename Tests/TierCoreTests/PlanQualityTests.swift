import Testing
import TierCore

/// The plan is known, so what is kept where can be held against the optimum: moves beyond it are at most 2 % of the reads.
@Suite struct PlanQualityTests {
  static let layers = 30
  static let chunks = 16

  /// Device alone: no more blocks are fetched to it than a memory of its kept slots would miss at best.
  @Test(arguments: [10, 25, 50, 75])
  func theDeviceKeepsWhatTheOptimumKeeps(percent: Int) {
    let slots = Self.layers * Self.chunks * percent / 100
    var replay = PrefillReplay(
      layers: Self.layers, chunks: Self.chunks, deviceSlots: slots, hostSlots: 4, ringSlots: 8)
    let found = replay.run()
    let optimum = Belady.hits(layers: Self.layers, chunks: Self.chunks, slots: replay.keptSlots(.device))
    #expect(found.hits + found.misses == optimum.reads)
    #expect(replay.lost == 0)
    #expect(found.hostToDevice.blocks - (optimum.reads - optimum.hits) <= optimum.reads / 50)
  }

  /// Device and host: what is read from disk is what the optimum of both together would read.
  @Test func theHostKeepsWhatTheDeviceDoesNot() {
    let share = Self.layers * Self.chunks / 4
    var replay = PrefillReplay(
      layers: Self.layers, chunks: Self.chunks, deviceSlots: share, hostSlots: share, ringSlots: 8)
    let found = replay.run()
    let both = replay.keptSlots(.device) + replay.keptSlots(.host)
    let optimum = Belady.hits(layers: Self.layers, chunks: Self.chunks, slots: both)
    #expect(found.diskToHost.blocks - (optimum.reads - optimum.hits) <= optimum.reads / 50)
  }
}
