import ArgumentParser
import TierCore
import TierTesting

struct Simulate: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tier-simulate",
    abstract:
      "Drives the residency core and the spill from seeds, with every fault there is, and checks their promises.",
    discussion: """
      Examples:
        tier-simulate --seeds 100000             seeds 1 to 100000 of everything
        tier-simulate --only spill --seeds 10000 the spill on a simulated disk alone
        tier-simulate --first 4711 --seeds 1     replays one seed
      """)

  enum Part: String, ExpressibleByArgument, CaseIterable { case core, spill }

  @Option(help: "How many seeds to run.") var seeds: UInt64 = 2000
  @Option(help: "The first seed.") var first: UInt64 = 1
  @Option(help: "What to run: core or spill (default: both).") var only: Part?

  func run() throws {
    if only != .spill { try simulateCore() }
    if only != .core { try simulateSpill() }
  }

  private func simulateCore() throws {
    var events = 0
    var sequences = 0
    for seed in first..<first + seeds {
      do {
        let result = try Simulation.run(Scenario(seed: seed))
        events += result.events
        sequences += result.sequences
      } catch {
        try fail(.core, seed, "\(error)")
      }
    }
    print("core: \(seeds) seeds, \(events) events, \(sequences) sequences read: every promise held")
  }

  private func simulateSpill() throws {
    var damages = 0
    for seed in first..<first + seeds {
      for damaging in [false, true] {
        do {
          var run = try SpillRun(seed: seed, damaging: damaging)
          try run.play()
          damages += run.damages
          if !run.problems.isEmpty { try fail(.spill, seed, run.problems.joined(separator: "\n")) }
        } catch let error where !(error is ExitCode) {
          try fail(.spill, seed, "\(error)")
        }
      }
    }
    print("spill: \(seeds) seeds, each with and without silent damage (\(damages) in all): every promise held")
  }

  private func fail(_ part: Part, _ seed: UInt64, _ why: String) throws {
    print(
      "FAILED: \(part.rawValue), seed \(seed): \(why)\nreplay: make simulate ONLY=\(part.rawValue) FIRST=\(seed) SEEDS=1"
    )
    throw ExitCode(70)
  }
}

Simulate.main()
