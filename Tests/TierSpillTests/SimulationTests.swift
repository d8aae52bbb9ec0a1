import Glibc
import Testing
import TierTesting

/// The spill on a disk that fails from a seed (`SpillRun`); `make simulate` runs as many seeds as one likes.
struct SimulationTests {
  /// Runs of each kind: 300, or what TIERD_SPILL_SEEDS says.
  private static let seeds = getenv("TIERD_SPILL_SEEDS").flatMap { Int(String(cString: $0)) } ?? 300

  @Test(arguments: [false, true])
  func everyPromiseHolds(damaging: Bool) throws {
    for seed in 1...UInt64(Self.seeds) {
      var run = try SpillRun(seed: seed, damaging: damaging)
      try run.play()
      #expect(run.problems == [], "replay: make simulate ONLY=spill FIRST=\(seed) SEEDS=1")
    }
  }
}
