import ModelFiles
import TierCore

/// What `tierctl recommend` predicts, beside what a run then takes.
struct RecommendGroup: BenchmarkGroup {
  static let name = "recommend"
  static let summary = "predicted peaks of each tier beside measured ones, for three budgets"
  static let needs: [BenchmarkNeed] = [.model]

  private static let chunkTokens = 512
  private static let budgetsMiB = [24, 48, 96]

  func run(_ bench: Bench) throws -> [Figure] {
    let prompt = try Prompt(bench, tokens: nil)
    let shape = try shape(bench)
    return try Self.budgetsMiB.flatMap { budget in
      bench.progress.show("\(budget) MiB of device and of host")
      let predicted = try predict(shape, prompt.tokenCount, budget << 20)
      let run = try WorkerRun(
        bench,
        [
          "run", "--embedded", "--device", "emulated", "--device-budget", "\(budget)MiB", "--host-budget",
          "\(budget)MiB", "--disk-budget", "2GiB", "--prompt-file", prompt.textPath, "--raw", "--max-new-tokens", "0",
          "--dtype", "bf16", "--prefill-chunk-size", "\(Self.chunkTokens)", "--weights", "private",
        ])
      let tiers = [("device", predicted.device), ("host", predicted.host), ("disk", predicted.disk)]
      return try tiers.flatMap { tier, use in
        guard let measured = run.report.tiers.peakBytes[tier] else {
          throw BenchFault.failed("tier-worker reported no peak of the \(tier)")
        }
        let name = "\(tier)_\(budget)_mib"
        return [
          Figure(
            "\(name)_deviation_percent", "\(budget) MiB: peak of the \(tier), predicted beside measured", .percent,
            value: 100 * abs(Double(use.peakBytes - measured)) / Double(max(1, measured)), target: .atMost(10)),
          Figure("\(name)_measured_bytes", "measured", .bytes, value: Double(measured)),
        ]
      }
    }
  }

  private func predict(_ shape: ModelShape, _ tokens: Int, _ bytes: Int) throws -> StoreStatistics {
    let found = Recommendation(
      shape, contextTokens: tokens, blockTokens: 256,
      machine: .init(
        deviceBytes: bytes, hostBytes: bytes, diskBytes: 2 << 30, linkBytesPerSecond: 8e9, diskBytesPerSecond: 2e9,
        flopsPerSecond: 4e11),
      managesWeights: false, chunkTokens: Self.chunkTokens)
    guard let replay = found.replay else {
      throw BenchFault.failed("refused: \(found.refusal?.message ?? "the replay got stuck")")
    }
    return replay
  }

  private func shape(_ bench: Bench) throws -> ModelShape {
    let model = try bench.requireModel()
    do throws(ModelFileError) {
      let config = try Checkpoint(path: model).config
      return ModelShape(
        layers: config.layers, hidden: config.hidden, intermediate: config.intermediate, queryHeads: config.queryHeads,
        kvHeads: config.kvHeads, headDim: config.headDim, vocab: config.vocab, element: .bf16)
    } catch {
      throw BenchFault.missing("\(error)")
    }
  }
}
