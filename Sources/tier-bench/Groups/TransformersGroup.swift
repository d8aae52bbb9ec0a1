/// What the Python package costs and saves: Transformers with its KV in tierd, beside Transformers with it in memory.
struct TransformersGroup: BenchmarkGroup {
  static let name = "transformers"
  static let summary = "Transformers with its KV in tierd: speed, memory by length, compiled graphs"
  static let needs: [BenchmarkNeed] = [.model, .python]

  private static let speedTokens = 8192
  private static let chunkTokens = 1024
  private static let defaultPairs = 2
  private static let lengths = [8192, 16384, 32768]
  /// Of each tier of memory while memory is measured: all lengths fill them.
  private static let memoryBudgetBytes = 48 << 20

  func run(_ bench: Bench) throws -> [Figure] {
    guard !bench.scratch.isInMemory else {
      throw BenchFault.usage("\(bench.scratch.path) is in memory, where a spill is none: set TMPDIR to one on a disk")
    }
    let environment = try TransformersProcess.environment(bench, bench.requirePython())
    let prompt = try Prompt(bench, tokens: Self.speedTokens, repeats: true)
    return try speed(bench, prompt, environment) + graphs(bench, prompt, environment)
      + memory(bench, prompt, environment)
  }

  /// Prefill with a quarter of the KV on the device and a quarter on the host, to all in memory, in turn.
  private func speed(_ bench: Bench, _ prompt: Prompt, _ environment: [String: String]) throws -> [Figure] {
    let mode = ["speed", try bench.requireModel(), prompt.tokensPath, "\(bench.threads)"]
    let script = try TieredTransformers(bench, mode, environment: environment)
    bench.progress.show("Transformers loads the model")
    bench.note("measured against " + (try script.answer().versions ?? "an unknown version"))
    let quarter = Self.speedTokens / 256 * 30 * (192 << 10) / 4
    var (tieredS, defaultS) = ([Double](), [Double]())
    let pairs = bench.pairs ?? Self.defaultPairs
    for pair in 0...pairs {
      for isTiered in pair % 2 == 0 ? [true, false] : [false, true] {
        bench.progress.show("speed, pair \(pair) of \(pairs): \(isTiered ? "in tierd" : "in memory")")
        let seconds: Double
        if isTiered {
          let daemon = try DaemonProcess(bench, .init(deviceBytes: quarter, hostBytes: quarter, diskBytes: 2 << 30))
          defer { withExtendedLifetime(daemon) {} }
          seconds = try script.answer(to: "tiered \(daemon.socketPath) \(Self.chunkTokens)").seconds ?? .nan
        } else {
          seconds = try script.answer(to: "default").seconds ?? .nan
        }
        // The first pair warms both up.
        guard pair > 0 else { continue }
        if isTiered { tieredS.append(seconds) } else { defaultS.append(seconds) }
      }
    }
    let tokens = Double(Self.speedTokens)
    return [
      .median(
        "tokens_per_s_ratio", "prefill of \(Self.speedTokens) tokens, 25 % + 25 %, to all in memory: tokens/s", .ratio,
        of: zip(defaultS, tieredS).map { $0 / $1 }, target: .atLeast(0.9)),
      .median("tiered_tokens_per_s", "  in tierd", .tokensPerSecond, of: tieredS.map { tokens / $0 }),
      .median("default_tokens_per_s", "  in memory", .tokensPerSecond, of: defaultS.map { tokens / $0 }),
    ]
  }

  /// Graphs that torch.compile makes of a small model by the time it has read a short and a long prompt.
  private func graphs(_ bench: Bench, _ prompt: Prompt, _ environment: [String: String]) throws -> [Figure] {
    bench.progress.show("compiled graphs")
    let daemon = try DaemonProcess(bench, .init(deviceBytes: 8 << 20, hostBytes: 16 << 20, diskBytes: 1 << 30))
    defer { withExtendedLifetime(daemon) {} }
    let mode = ["graphs", prompt.tokensPath, "\(Self.chunkTokens)", daemon.socketPath, "4096", "32768"]
    let counts = try TieredTransformers(bench, mode, environment: environment).answer().graphs ?? []
    guard counts.count == 2 else { throw BenchFault.failed("the script counted no graphs") }
    return [
      Figure("graphs_4096", "compiled after a prompt of 4096 tokens", .graphs, value: counts[0]),
      Figure(
        "graphs_32768", "  and after one of 32768", .graphs, value: counts[1], target: .atMost(counts[0])),
    ]
  }

  /// Peak memory of the process beyond that before the prefill, by length.
  private func memory(_ bench: Bench, _ prompt: Prompt, _ environment: [String: String]) throws -> [Figure] {
    var figures: [Figure] = []
    for (kind, title) in [("tiered", "in tierd"), ("default", "in memory")] {
      var bytes: [Double] = []
      for length in Self.lengths {
        bench.progress.show("memory \(title), \(length) tokens")
        bytes.append(try peakBytes(bench, prompt, environment, kind, length))
        figures.append(
          Figure("\(kind)_\(length)_peak_bytes", "\(title), \(length) tokens: peak", .bytes, value: bytes.last!))
      }
      figures.append(
        Figure(
          "\(kind)_peak_growth_ratio", "  from \(Self.lengths[0]) to \(Self.lengths.last!)", .ratio,
          value: bytes.last! / bytes[0], target: kind == "tiered" ? .atMost(1.05) : nil))
    }
    return figures
  }

  private func peakBytes(
    _ bench: Bench, _ prompt: Prompt, _ environment: [String: String], _ kind: String, _ length: Int
  ) throws -> Double {
    let budget = Self.memoryBudgetBytes
    let daemon = try DaemonProcess(bench, .init(deviceBytes: budget, hostBytes: budget, diskBytes: 4 << 30))
    defer { withExtendedLifetime(daemon) {} }
    let mode = [
      "memory", try bench.requireModel(), prompt.tokensPath, "\(bench.threads)", kind, "\(length)", daemon.socketPath,
    ]
    guard let bytes = try TieredTransformers(bench, mode, environment: environment).answer().bytes else {
      throw BenchFault.failed("the script answered without bytes")
    }
    return bytes
  }
}
