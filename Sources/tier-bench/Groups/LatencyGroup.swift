import TierCore

/// What a worker pays to be handed blocks that are resident: a real tierd, its socket, one session.
struct LatencyGroup: BenchmarkGroup {
  static let name = "latency"
  static let summary = "leases on resident blocks through a real tierd, in microseconds"
  static let needs: [BenchmarkNeed] = []

  private static let roundsPerBatch = 500
  private static let warmupBatches = 4
  private static let batches = 48

  func run(_ bench: Bench) throws -> [Figure] {
    let daemon = try DaemonProcess(bench, DaemonProcess.Budgets())
    defer { withExtendedLifetime(daemon) {} }
    let reader = try ResidentReader(socketPath: daemon.socketPath)
    defer { reader.end() }
    bench.progress.show("sealing \(ResidentReader.blocks) blocks of \(ResidentReader.layers) layers")
    try reader.seal()
    var all = ResidentReader.Timings()
    var one = ResidentReader.Timings()
    for batch in 0..<Self.warmupBatches + Self.batches {
      bench.progress.show("batch \(batch + 1) of \(Self.warmupBatches + Self.batches)")
      let timesAll = try reader.rounds(Self.roundsPerBatch, blocks: ResidentReader.blocks)
      let timesOne = try reader.rounds(Self.roundsPerBatch, blocks: 1)
      guard batch >= Self.warmupBatches else { continue }
      all.append(timesAll)
      one.append(timesOne)
    }
    try reader.close()
    return figures(all, one)
  }

  private func figures(_ all: ResidentReader.Timings, _ one: ResidentReader.Timings) -> [Figure] {
    let blocks = ResidentReader.blocks
    let rounds = "acquire and release of \(blocks) resident blocks"
    let name = "acquire_release_\(blocks)_blocks"
    return [
      .median("\(name)_p50_us", "\(rounds), p50", .microseconds, of: all.rounds, target: .atMost(40)),
      Figure(
        "\(name)_p99_us", "\(rounds), p99", .microseconds, value: all.rounds.percentile(99), samples: all.rounds),
      .median("acquire_\(blocks)_blocks_p50_us", "of that, acquire to its answer, p50", .microseconds, of: all.answers),
      .median(
        "acquire_release_1_block_p50_us", "the same of 1 block, in turn with it, p50", .microseconds, of: one.rounds),
      Figure(
        "acquire_release_\(blocks)_to_1_ratio", "\(blocks) blocks to 1 block", .ratio,
        value: all.rounds.median / one.rounds.median, samples: all.rounds),
    ]
  }
}
