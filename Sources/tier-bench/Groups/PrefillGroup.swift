import CKernels

/// How fast a prompt is read: ours to Transformers', both on the same threads, in turn.
struct PrefillGroup: BenchmarkGroup {
  static let name = "prefill"
  static let summary = "prefill of 2,048 and of 8,000 tokens in bf16, Transformers' time to ours"
  static let needs: [BenchmarkNeed] = [.model, .python]

  /// Tokens of a prompt, and how much longer Transformers is to take at least.
  private static let lengths = [(tokens: 2048, leastRatio: 1.6), (tokens: 8000, leastRatio: 1.8)]
  private static let defaultPairs = 5
  /// Of what is printed for information.
  private static let extraSamples = 2

  func run(_ bench: Bench) throws -> [Figure] {
    try Self.lengths.flatMap { try Self.measure(bench, tokens: $0.tokens, leastRatio: $0.leastRatio) }
  }

  private static func measure(_ bench: Bench, tokens: Int, leastRatio: Double) throws -> [Figure] {
    let prompt = try Prompt(bench, tokens: tokens, repeats: true)
    bench.progress.show("Transformers loads the model")
    let transformers = try TransformersProcess(bench, prompt)
    var ourS: [Double] = []
    var theirS: [Double] = []
    let pairs = bench.pairs ?? defaultPairs
    for pair in 0...pairs {
      bench.progress.show("\(tokens) tokens, pair \(pair) of \(pairs): ours")
      let mine = try prefillS(bench, prompt)
      bench.progress.show("\(tokens) tokens, pair \(pair) of \(pairs): Transformers")
      let other = try transformers.prefillS(.bf16)
      // The first pair warms both up.
      guard pair > 0 else { continue }
      ourS.append(mine)
      theirS.append(other)
    }
    var f32S: [Double] = []
    var cappedS: [Double] = []
    // Without AMX of our own, too: Transformers may have had to do without it.
    let hasTiles = ck_best_level() == CK_AMX_BF16
    for sample in 0...extraSamples {
      bench.progress.show("for information, \(sample) of \(extraSamples)")
      let f32 = try transformers.prefillS(.f32)
      let capped = hasTiles ? try prefillS(bench, prompt, environment: ["CK_MAX_CPU_ISA": "avx512"]) : nil
      guard sample > 0 else { continue }
      f32S.append(f32)
      if let capped { cappedS.append(capped) }
    }
    return Figures(
      tokens: tokens, leastRatio: leastRatio, ourS: ourS, theirS: theirS, f32S: f32S, cappedS: cappedS
    ).all
  }

  private static func prefillS(
    _ bench: Bench, _ prompt: Prompt, environment: [String: String] = [:]
  ) throws -> Double {
    let arguments = ["eval", "--embedded", "--dtype", "bf16", "--tokens", prompt.tokensPath]
    return try WorkerRun(bench, arguments, environment: environment).report.prefillS
  }
}

extension PrefillGroup {
  struct Figures {
    let tokens: Int
    let leastRatio: Double
    let ourS: [Double]
    let theirS: [Double]
    let f32S: [Double]
    /// Empty where this machine has no AMX that could be left out.
    let cappedS: [Double]

    var all: [Figure] {
      let count = Double(tokens)
      return [
        .median(
          "transformers_bf16_to_ours_of_\(tokens)_ratio", "prefill of \(tokens) tokens, Transformers' time to ours",
          .ratio, of: zip(theirS, ourS).map { $0 / $1 }, target: .atLeast(leastRatio)),
        .median("ours_bf16_prefill_of_\(tokens)_s", "  ours, bf16", .seconds, of: ourS),
        .median("ours_bf16_of_\(tokens)_tokens_per_s", "  the same", .tokensPerSecond, of: ourS.map { count / $0 }),
        .median("transformers_bf16_prefill_of_\(tokens)_s", "  Transformers, bf16", .seconds, of: theirS),
        .median(
          "transformers_bf16_of_\(tokens)_tokens_per_s", "  the same", .tokensPerSecond, of: theirS.map { count / $0 }),
        .median("transformers_f32_prefill_of_\(tokens)_s", "  Transformers, f32", .seconds, of: f32S),
        Figure(
          "transformers_f32_to_ours_bf16_of_\(tokens)_ratio", "  Transformers' time in f32 to ours in bf16", .ratio,
          value: f32S.median / ourS.median, samples: f32S),
      ] + withoutTiles
    }

    private var withoutTiles: [Figure] {
      guard !cappedS.isEmpty else { return [] }
      return [
        .median("ours_bf16_without_amx_prefill_of_\(tokens)_s", "  ours, bf16, without AMX", .seconds, of: cappedS),
        Figure(
          "transformers_bf16_to_ours_without_amx_of_\(tokens)_ratio", "  Transformers' time in bf16 to that", .ratio,
          value: theirS.median / cappedS.median, samples: cappedS),
        Figure(
          "transformers_f32_to_ours_without_amx_of_\(tokens)_ratio", "  Transformers' time in f32 to that", .ratio,
          value: f32S.median / cappedS.median, samples: cappedS),
      ]
    }
  }
}
