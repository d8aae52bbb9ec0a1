import Foundation
import Testing
import TierCore
import TierTesting

@Suite struct SimulationTests {
  /// Faults of every kind, from seeds; `make simulate SEEDS=…` runs as many as one likes.
  @Test(arguments: 0..<4)
  func everyPromiseHolds(_ quarter: Int) throws {
    var events = 0
    for seed in UInt64(quarter * 500 + 1)...UInt64(quarter * 500 + 500) {
      do {
        events += try Simulation.run(Scenario(seed: seed)).events
      } catch {
        Issue.record("\(error)\nreplay: make simulate FIRST=\(seed) SEEDS=1")
        return
      }
    }
    #expect(events > 100_000)
  }

  @Test func scenariosDifferAndFaultsAreReached() throws {
    var total = StoreStatistics()
    for seed in UInt64(1)...200 {
      let counted = try Simulation.run(Scenario(seed: seed)).statistics
      total.lost += counted.lost
      total.retired += counted.retired
      total.adopted += counted.adopted
      total.deviceToHost.blocks += counted.deviceToHost.blocks
      total.diskToHost.blocks += counted.diskToHost.blocks
      total.hostToDisk.blocks += counted.hostToDisk.blocks
    }
    #expect(total.lost > 0)
    #expect(total.retired > 0)
    #expect(total.adopted > 0)
    #expect(total.deviceToHost.blocks > 0)
    #expect(total.diskToHost.blocks > 0)
    #expect(total.hostToDisk.blocks > 0)
  }
}
