/// What a prompt costs the second time: from memory, and from disk after a restart of the daemon.
struct PrefixGroup: BenchmarkGroup {
  static let name = "prefix"
  static let summary = "a prompt of 6,000 tokens again: from memory, and after a restart of tierd"
  static let needs: [BenchmarkNeed] = [.model]

  private static let tokens = 6000
  private static let rounds = 3

  func run(_ bench: Bench) throws -> [Figure] {
    let prompt = try Prompt(bench, tokens: Self.tokens)
    var (first, again, restarted) = ([Double](), [Double](), [Double]())
    let rounds = bench.pairs ?? Self.rounds
    for round in 1...rounds {
      let daemon = try DaemonProcess(bench, DaemonProcess.Budgets(diskBytes: 2 << 30))
      defer { withExtendedLifetime(daemon) {} }
      func read(_ what: String) throws -> Double {
        bench.progress.show("round \(round) of \(rounds): \(what)")
        return try WorkerRun(
          bench,
          [
            "run", "--socket", daemon.socketPath, "--prompt-file", prompt.textPath, "--raw", "--max-new-tokens", "1",
            "--dtype", "bf16", "--prefill-chunk-size", "512",
          ], sharesPrefix: what != "first"
        ).report.prefillS
      }
      first.append(try read("first"))
      again.append(try read("again"))
      try daemon.restart()
      restarted.append(try read("after a restart"))
    }
    return [
      Figure(
        "first_to_again_ratio", "\(Self.tokens) tokens: the first time to the second", .ratio,
        value: first.median / again.median, target: .atLeast(20), samples: zip(first, again).map { $0 / $1 }),
      Figure(
        "first_to_restarted_ratio", "the first time to that after a restart", .ratio,
        value: first.median / restarted.median, target: .atLeast(5), samples: zip(first, restarted).map { $0 / $1 }),
      .median("first_s", "the first time", .seconds, of: first),
      .median("again_s", "the second time", .seconds, of: again),
      .median("restarted_s", "after a restart, from disk", .seconds, of: restarted),
    ]
  }
}
