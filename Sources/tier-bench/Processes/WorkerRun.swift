import FoundationEssentials

/// One run of tier-worker, and what it said of itself.
struct WorkerRun {
  struct Report: Decodable {
    struct Move: Decodable {
      let from: String
      let to: String
      let blocks: Int
      let bytes: Int
    }
    struct Tiers: Decodable {
      let moves: [Move]
      let hits: Int
      let misses: Int
      let lost: Int
      let peakBytes: [String: Int]
    }
    let prefillS: Double
    let tokensPerS: Double
    let promptTokens: Int
    let computedTokens: Int
    let stallS: Double
    let peakRssBytes: Int
    /// Of `run`.
    let tokenIds: [Int]?
    let logitsSha256: String?
    let recomputedBlocks: Int
    let tiers: Tiers
  }

  let report: Report
  /// From start to end, with loading the model.
  let wallS: Double

  /// Long enough for any run on any machine; a run that hangs is ended.
  private static let limitS = 1800.0

  /// - Parameter sharesPrefix: whether blocks of an earlier run may be found again; else that is an error.
  init(
    _ bench: Bench, _ arguments: [String], environment: [String: String] = [:], sharesPrefix: Bool = false
  ) throws(BenchFault) {
    let place = bench.scratch.path
    // What is measured is the KV, where a group does not ask for weights.
    let weights = arguments.contains("--weights") ? [] : ["--weights", "private"]
    let watch = Stopwatch()
    let process = try Subprocess(
      try bench.program("tier-worker"),
      arguments + ["--model", try bench.requireModel(), "--threads", "\(bench.threads)", "--json"] + weights,
      environment: environment, outputPath: place + "/worker.json", errorPath: place + "/worker.err")
    let ending = process.wait(limitS: Self.limitS)
    wallS = watch.seconds
    guard ending == .exited(0) else { throw process.fault(ending) }
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    guard let data = FileManager.default.contents(atPath: place + "/worker.json"),
      let report = try? decoder.decode(Report.self, from: data)
    else { throw .failed("tier-worker printed no report that can be read") }
    guard sharesPrefix || report.computedTokens == report.promptTokens else {
      throw .failed(
        "tier-worker computed \(report.computedTokens) of \(report.promptTokens) tokens: a prefix was shared")
    }
    self.report = report
  }
}
