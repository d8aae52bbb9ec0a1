import ArgumentParser
import TierCore
import TierTesting

struct Simulate: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tier-simulate",
    abstract: "Drives the residency core from seeds, with every fault there is, and checks its promises.",
    discussion: """
      Examples:
        tier-simulate --seeds 100000          seeds 1 to 100000
        tier-simulate --first 4711 --seeds 1  replays one seed
      """)

  @Option(help: "How many seeds to run.") var seeds: UInt64 = 2000
  @Option(help: "The first seed.") var first: UInt64 = 1

  func run() throws {
    var events = 0
    var sequences = 0
    for seed in first..<first + seeds {
      do {
        let result = try Simulation.run(Scenario(seed: seed))
        events += result.events
        sequences += result.sequences
      } catch {
        print("FAILED: \(error)\nreplay: make simulate FIRST=\(seed) SEEDS=1")
        throw ExitCode(70)
      }
    }
    print("\(seeds) seeds, \(events) events, \(sequences) sequences read: every promise held")
  }
}

Simulate.main()
