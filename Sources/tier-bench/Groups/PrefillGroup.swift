/// How fast a prompt is read: ours to Transformers', both on the same threads, in turn.
struct PrefillGroup: BenchmarkGroup {
  static let name = "prefill"
  static let summary = "prefill of 4,096 tokens in bf16 to Transformers'"
  static let needs: [BenchmarkNeed] = [.model, .python]

  private static let tokens = 4096
  private static let defaultPairs = 5
  private static let f32Samples = 2

  func run(_ bench: Bench) throws -> [Figure] {
    let prompt = try Prompt(bench, tokens: Self.tokens)
    bench.progress.show("Transformers loads the model")
    let theirs = try TransformersProcess(bench, prompt)
    var ourS: [Double] = []
    var theirS: [Double] = []
    let pairs = bench.pairs ?? Self.defaultPairs
    for pair in 0...pairs {
      bench.progress.show("pair \(pair) of \(pairs): ours")
      let mine = try ours(bench, prompt)
      bench.progress.show("pair \(pair) of \(pairs): Transformers")
      let other = try theirs.prefillS(.bf16)
      // The first pair warms both up.
      guard pair > 0 else { continue }
      ourS.append(mine)
      theirS.append(other)
    }
    var f32S: [Double] = []
    for sample in 0...Self.f32Samples {
      bench.progress.show("Transformers in f32, \(sample) of \(Self.f32Samples)")
      let seconds = try theirs.prefillS(.f32)
      if sample > 0 { f32S.append(seconds) }
    }
    return figures(ourS, theirS, f32S)
  }

  private func ours(_ bench: Bench, _ prompt: Prompt) throws -> Double {
    try WorkerRun(
      bench, ["eval", "--embedded", "--dtype", "bf16", "--tokens", prompt.path]
    ).report.prefillS
  }

  private func figures(_ ourS: [Double], _ theirS: [Double], _ f32S: [Double]) -> [Figure] {
    let tokens = Double(Self.tokens)
    return [
      .median(
        "prefill_transformers_bf16_to_ours_ratio", "prefill of \(Self.tokens) tokens: Transformers' time to ours",
        .ratio, of: zip(theirS, ourS).map { $0 / $1 }, target: .atLeast(1.0)),
      .median("prefill_ours_bf16_s", "  ours, bf16", .seconds, of: ourS),
      .median("prefill_transformers_bf16_s", "  Transformers, bf16", .seconds, of: theirS),
      .median("prefill_transformers_f32_s", "  Transformers, f32", .seconds, of: f32S),
      Figure(
        "prefill_transformers_f32_to_ours_ratio", "  Transformers' time in f32 to ours in bf16", .ratio,
        value: f32S.median / ourS.median, samples: f32S),
      .median("prefill_ours_tokens_per_s", "  ours", .tokensPerSecond, of: ourS.map { tokens / $0 }),
      .median(
        "prefill_transformers_tokens_per_s", "  Transformers, bf16", .tokensPerSecond, of: theirS.map { tokens / $0 }),
    ]
  }
}
