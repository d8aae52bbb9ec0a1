import CKernels

/// How fast a prompt is read: ours to Transformers', both on the same threads, in turn.
struct PrefillGroup: BenchmarkGroup {
  static let name = "prefill"
  static let summary = "prefill of 4,096 tokens in bf16, Transformers' time to ours"
  static let needs: [BenchmarkNeed] = [.model, .python]

  private static let tokens = 4096
  private static let defaultPairs = 5
  /// Of what is printed for information.
  private static let extraSamples = 2

  func run(_ bench: Bench) throws -> [Figure] {
    let prompt = try Prompt(bench, tokens: Self.tokens)
    bench.progress.show("Transformers loads the model")
    let transformers = try TransformersProcess(bench, prompt)
    var ourS: [Double] = []
    var theirS: [Double] = []
    let pairs = bench.pairs ?? Self.defaultPairs
    for pair in 0...pairs {
      bench.progress.show("pair \(pair) of \(pairs): ours")
      let mine = try Self.prefillS(bench, prompt)
      bench.progress.show("pair \(pair) of \(pairs): Transformers")
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
    for sample in 0...Self.extraSamples {
      bench.progress.show("for information, \(sample) of \(Self.extraSamples)")
      let f32 = try transformers.prefillS(.f32)
      let capped = hasTiles ? try Self.prefillS(bench, prompt, environment: ["CK_MAX_CPU_ISA": "avx512"]) : nil
      guard sample > 0 else { continue }
      f32S.append(f32)
      if let capped { cappedS.append(capped) }
    }
    return Figures(ourS: ourS, theirS: theirS, f32S: f32S, cappedS: cappedS).all
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
    let ourS: [Double]
    let theirS: [Double]
    let f32S: [Double]
    /// Empty where this machine has no AMX that could be left out.
    let cappedS: [Double]

    var all: [Figure] {
      let tokens = Double(PrefillGroup.tokens)
      return [
        .median(
          "transformers_bf16_to_ours_ratio", "prefill of \(PrefillGroup.tokens) tokens, Transformers' time to ours",
          .ratio, of: zip(theirS, ourS).map { $0 / $1 }, target: .atLeast(1.0)),
        .median("ours_bf16_prefill_s", "  ours, bf16", .seconds, of: ourS),
        .median("ours_bf16_tokens_per_s", "  the same", .tokensPerSecond, of: ourS.map { tokens / $0 }),
        .median("transformers_bf16_prefill_s", "  Transformers, bf16", .seconds, of: theirS),
        .median("transformers_bf16_tokens_per_s", "  the same", .tokensPerSecond, of: theirS.map { tokens / $0 }),
        .median("transformers_f32_prefill_s", "  Transformers, f32", .seconds, of: f32S),
        Figure(
          "transformers_f32_to_ours_bf16_ratio", "  Transformers' time in f32 to ours in bf16", .ratio,
          value: f32S.median / ourS.median, samples: f32S),
      ] + withoutTiles
    }

    private var withoutTiles: [Figure] {
      guard !cappedS.isEmpty else { return [] }
      return [
        .median("ours_bf16_without_amx_prefill_s", "  ours, bf16, without AMX", .seconds, of: cappedS),
        Figure(
          "transformers_bf16_to_ours_without_amx_ratio", "  Transformers' time in bf16 to that", .ratio,
          value: theirS.median / cappedS.median, samples: cappedS),
        Figure(
          "transformers_f32_to_ours_without_amx_ratio", "  Transformers' time in f32 to that", .ratio,
          value: f32S.median / cappedS.median, samples: cappedS),
      ]
    }
  }
}
