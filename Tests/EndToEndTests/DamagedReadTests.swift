import ControlAPI
import Testing

/// A disk that returns other bytes than are on it, for one read in so many: `--test-damage-one-read-in` of tierd.
@Suite(.serialized) struct DamagedReadTests {
  let home: Workspace

  init() throws { home = try Workspace() }

  /// `tier-bench --only damage` has one in a hundred; this text is short.
  @Test("One read in twenty is damaged during a prefill: found, computed again, and the same bits")
  func oneInTwenty() throws {
    let run = try ReferenceRun.shared.get()
    let daemon = try Daemon(
      "daemon", .init(device: "4MiB", host: "4MiB"), ["--test-damage-one-read-in", "20"], in: home)
    let result = try Evaluation(run.start(.daemon(daemon), in: home))
    #expect(result.isIdentical(to: run.result))
    let found = try daemon.status().spill?.damagedRecords ?? 0
    #expect(found > 0)
    #expect(result.tiers.lost > 0 && result.recomputedBlocks > 0)
    // More reads than that, and not all of them damaged: the option does what it says.
    #expect(result.tiers.blocks(from: "disk", to: "host") > 5 * found)
  }
}
