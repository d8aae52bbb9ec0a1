import TierCore

/// A model whose weights alone exceed the device: weights and KV under one budget, beside everything resident.
struct WeightsGroup: BenchmarkGroup {
  static let name = "weights"
  static let summary = "6,000 tokens with 96 MiB of device and 160 MiB of host, weights managed, to all resident"
  static let needs: [BenchmarkNeed] = [.model]

  private static let tokens = 6000
  private static let (deviceMiB, hostMiB) = (96, 160)
  private static let newTokens = 16
  private static let defaultPairs = 3

  func run(_ bench: Bench) throws -> [Figure] {
    let prompt = try Prompt(bench, tokens: Self.tokens)
    var (managed, resident) = ([WorkerRun](), [WorkerRun]())
    let pairs = bench.pairs ?? Self.defaultPairs
    for pair in 1...pairs {
      bench.progress.show("pair \(pair) of \(pairs): managed")
      managed.append(
        try read(
          bench, prompt,
          [
            "--weights", "managed", "--device-budget", "\(Self.deviceMiB)MiB", "--host-budget", "\(Self.hostMiB)MiB",
            "--disk-budget", "2GiB",
          ]))
      bench.progress.show("pair \(pair) of \(pairs): all resident")
      resident.append(try read(bench, prompt, ["--weights", "private"]))
    }
    let digests = Set((managed + resident).map(\.report.logitsSha256))
    let answers = Set((managed + resident).map { $0.report.tokenIds?.count })
    guard digests.count == 1, digests.first != .some(nil), answers.count == 1, let answered = answers.first ?? nil
    else {
      throw BenchFault.failed("the logits differ between managed and private weights")
    }
    let budgets = Double((Self.deviceMiB + Self.hostMiB) << 20)
    return [
      Figure(
        "identical_logits_positions", "positions whose logits are the same bits, managed and all resident", .positions,
        value: Double(answered), target: .atLeast(1)),
      .median(
        "rss_beyond_budgets_bytes", "peak RSS of store and worker in one process, beyond both budgets", .bytes,
        of: managed.map { Double($0.report.peakRssBytes) - budgets }, target: .atMost(Double(160 << 20))),
      .median("rss_bytes", "peak RSS", .bytes, of: managed.map { Double($0.report.peakRssBytes) }),
      .median(
        "prefill_ratio", "prefill with managed weights to all resident", .ratio,
        of: zip(managed, resident).map { $0.report.prefillS / $1.report.prefillS }),
      .median("managed_s", "prefill, managed", .seconds, of: managed.map(\.report.prefillS)),
      .median("resident_s", "prefill, all resident", .seconds, of: resident.map(\.report.prefillS)),
    ]
  }

  /// The store in the worker's own process: its memory is counted once.
  private func read(_ bench: Bench, _ prompt: Prompt, _ flags: [String]) throws -> WorkerRun {
    try WorkerRun(
      bench,
      [
        "run", "--embedded", "--device", "emulated", "--prompt-file", prompt.textPath, "--raw", "--ordered",
        "--max-new-tokens", "\(Self.newTokens)", "--dtype", "bf16", "--prefill-chunk-size", "512",
      ] + flags)
  }
}
