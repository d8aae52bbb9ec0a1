import TierCore

/// What KV on three tiers costs beside all of it resident, for a long prompt, with private weights: by chunk, budget and
/// link.
struct OverheadGroup: BenchmarkGroup {
  static let name = "overhead"
  static let summary = "prefill of 8,000 tokens on three tiers to all resident, by chunk, budgets and link"
  static let needs: [BenchmarkNeed] = [.model]

  private static let tokens = 8000
  private static let blockTokens = 256
  private static let defaultPairs = 5

  private struct Case {
    let chunkTokens: Int
    /// Of the KV, on the device and as much on the host.
    let percent: Int
    let link: String?
    let target: Double

    var name: String { "chunk_\(chunkTokens)_\(percent)_percent\(link == nil ? "" : "_link")" }
    var title: String {
      "chunk \(chunkTokens), \(percent) % on the device, \(percent) % on the host" + (link.map { ", link \($0)" } ?? "")
    }
  }

  private static let cases = [nil, "1GB/s"].flatMap { link in
    [
      Case(chunkTokens: 512, percent: 25, link: link, target: 1.05),
      Case(chunkTokens: 1024, percent: 25, link: link, target: 1.03),
      Case(chunkTokens: 512, percent: 10, link: link, target: 1.10),
    ]
  }

  func run(_ bench: Bench) throws -> [Figure] {
    guard !bench.scratch.isInMemory else {
      throw BenchFault.usage("\(bench.scratch.path) is in memory, where a spill is none: set TMPDIR to one on a disk")
    }
    let prompt = try Prompt(bench, tokens: Self.tokens, repeats: true)
    return try Self.cases.flatMap { try measure(bench, prompt, $0) }
  }

  private func measure(_ bench: Bench, _ prompt: Prompt, _ which: Case) throws -> [Figure] {
    let share = prompt.tokenCount / Self.blockTokens * 30 * (192 << 10) * which.percent / 100
    var tiered: [WorkerRun] = []
    var resident: [WorkerRun] = []
    let pairs = bench.pairs ?? Self.defaultPairs
    for pair in 0...pairs {
      for isTiered in pair % 2 == 0 ? [true, false] : [false, true] {
        bench.progress.show("\(which.title), pair \(pair) of \(pairs): \(isTiered ? "three tiers" : "all resident")")
        let run = try read(bench, prompt, which, bytes: isTiered ? share : 1 << 30)
        // The first pair warms the file cache and the processor up.
        guard pair > 0 else { continue }
        if isTiered { tiered.append(run) } else { resident.append(run) }
      }
    }
    return [
      .median(
        "\(which.name)_ratio", "\(which.title): prefill to all resident", .ratio,
        of: zip(tiered, resident).map { $0.report.prefillS / $1.report.prefillS }, target: .atMost(which.target)),
      .median("\(which.name)_tiered_s", "  prefill on three tiers", .seconds, of: tiered.map(\.report.prefillS)),
      .median("\(which.name)_stall_s", "  of it, waiting for blocks", .seconds, of: tiered.map(\.report.stallS)),
      .median("\(which.name)_resident_s", "  prefill all resident", .seconds, of: resident.map(\.report.prefillS)),
    ]
  }

  /// The link is the tiered run's alone: what is all resident is held against has none to wait for.
  private func read(_ bench: Bench, _ prompt: Prompt, _ which: Case, bytes: Int) throws -> WorkerRun {
    let isTiered = bytes < 1 << 30
    let flags = isTiered ? which.link.map { ["--emulated-link", $0] } ?? [] : []
    let daemon = try DaemonProcess(
      bench, .init(deviceBytes: bytes, hostBytes: bytes, diskBytes: 2 << 30, flags: flags))
    defer { withExtendedLifetime(daemon) {} }
    let run = try WorkerRun(
      bench,
      [
        "run", "--socket", daemon.socketPath, "--prompt-file", prompt.textPath, "--raw", "--max-new-tokens", "0",
        "--dtype", "bf16", "--prefill-chunk-size", "\(which.chunkTokens)", "--block-tokens", "\(Self.blockTokens)",
        "--weights", "private",
      ])
    guard run.report.promptTokens == prompt.tokenCount, run.report.tiers.lost == 0 else {
      throw BenchFault.failed(
        "\(run.report.promptTokens) tokens of \(prompt.tokenCount), \(run.report.tiers.lost) blocks lost: no like for like"
      )
    }
    return run
  }
}
