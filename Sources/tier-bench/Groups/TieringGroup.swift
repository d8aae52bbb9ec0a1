import TierCore

/// What tiering costs: the same prefill with its KV on three tiers and with all of it resident, in turn.
struct TieringGroup: BenchmarkGroup {
  static let name = "tiering"
  static let summary = "prefill with 25 % of its KV on the device and 25 % on the host, to all resident"
  static let needs: [BenchmarkNeed] = [.model]

  private static let defaultPairs = 5
  private static let chunkTokens = 512
  private static let blockTokens = 256

  func run(_ bench: Bench) throws -> [Figure] {
    guard !bench.scratch.isInMemory else {
      throw BenchFault.usage("\(bench.scratch.path) is in memory, where a spill is none: set TMPDIR to one on a disk")
    }
    var figures: [Figure] = []
    for tokens in [4096, nil] {
      let prompt = try Prompt(bench, tokens: tokens)
      for ordered in [true, false] { figures += try measure(bench, prompt, ordered: ordered) }
    }
    return figures
  }

  private func measure(_ bench: Bench, _ prompt: Prompt, ordered: Bool) throws -> [Figure] {
    let quarter = Self.kvBytes(tokens: prompt.tokenCount) / 4
    let tieredBudgets = DaemonProcess.Budgets(deviceBytes: quarter, hostBytes: quarter, diskBytes: 2 << 30)
    let ampleBudgets = DaemonProcess.Budgets(deviceBytes: 1 << 30, hostBytes: 1 << 30, diskBytes: 2 << 30)
    var tiered: [WorkerRun] = []
    var resident: [WorkerRun] = []
    let pairs = bench.pairs ?? Self.defaultPairs
    for pair in 0...pairs {
      let label = "\(prompt.tokenCount) tokens\(ordered ? ", ordered" : ""), pair \(pair) of \(pairs)"
      // Who goes first changes from pair to pair, so that a drift of the machine's speed favours neither.
      for isTiered in pair % 2 == 0 ? [true, false] : [false, true] {
        bench.progress.show("\(label): \(isTiered ? "three tiers" : "all resident")")
        let run = try read(bench, prompt, isTiered ? tieredBudgets : ampleBudgets, ordered: ordered)
        // The first pair warms the file cache and the processor up.
        guard pair > 0 else { continue }
        if isTiered { tiered.append(run) } else { resident.append(run) }
      }
    }
    return Figures(prompt: prompt, ordered: ordered, tiered: tiered, resident: resident).all
  }

  /// One run with a daemon and a state directory of its own: no prefix is found again. `run` rather than `eval`, whose
  /// scoring after each chunk is not counted as prefill, but gives the daemon time to catch up in.
  private func read(
    _ bench: Bench, _ prompt: Prompt, _ budgets: DaemonProcess.Budgets, ordered: Bool
  ) throws -> WorkerRun {
    let daemon = try DaemonProcess(bench, budgets)
    defer { withExtendedLifetime(daemon) {} }
    let arguments = [
      "run", "--socket", daemon.socketPath, "--prompt-file", prompt.textPath, "--raw", "--max-new-tokens", "0",
      "--dtype", "bf16", "--prefill-chunk-size", "\(Self.chunkTokens)", "--block-tokens", "\(Self.blockTokens)",
    ]
    let run = try WorkerRun(bench, arguments + (ordered ? ["--ordered"] : []))
    guard run.report.promptTokens == prompt.tokenCount else {
      throw BenchFault.failed("tier-worker read \(run.report.promptTokens) tokens of \(prompt.tokenCount)")
    }
    guard run.report.tiers.lost == 0 else {
      throw BenchFault.failed("\(run.report.tiers.lost) blocks were lost: this is no like for like")
    }
    return run
  }

  /// Of the full blocks in all of SmolLM2's layers.
  private static func kvBytes(tokens: Int) -> Int { tokens / blockTokens * 30 * (192 << 10) }
}

extension TieringGroup {
  /// The figures of one prompt in one order.
  struct Figures {
    let prompt: Prompt
    let ordered: Bool
    let tiered: [WorkerRun]
    let resident: [WorkerRun]

    private var name: String { "\(prompt.tokenCount)_tokens\(ordered ? "_ordered" : "")" }
    private var title: String { "\(prompt.tokenCount) tokens\(ordered ? ", ordered" : "")" }

    var all: [Figure] {
      times + counts
    }

    private var times: [Figure] {
      [
        .median(
          "\(name)_prefill_ratio", "\(title): prefill on three tiers to all resident", .ratio,
          of: ratios { $0.report.prefillS }, target: .atMost(1.10)),
        .median("\(name)_wall_ratio", "  the whole process, loading included", .ratio, of: ratios { $0.wallS }),
        .median("\(name)_tiered_prefill_s", "  prefill on three tiers", .seconds, of: tiered.map(\.report.prefillS)),
        .median("\(name)_tiered_stall_s", "  of it, waiting for blocks", .seconds, of: tiered.map(\.report.stallS)),
        .median(
          "\(name)_resident_prefill_s", "  prefill all resident", .seconds, of: resident.map(\.report.prefillS)),
      ]
    }

    private var counts: [Figure] {
      let moves = tiered[0].report.tiers.moves.indices.map { i in
        let move = tiered[0].report.tiers.moves[i]
        return Figure.median(
          "\(name)_\(move.from)_to_\(move.to)_blocks", "  moved from \(move.from) to \(move.to)", .blocks,
          of: tiered.map { Double($0.report.tiers.moves[i].blocks) })
      }
      return [
        .median("\(name)_hits_blocks", "  found resident", .blocks, of: tiered.map { Double($0.report.tiers.hits) }),
        .median("\(name)_misses_blocks", "  waited for", .blocks, of: tiered.map { Double($0.report.tiers.misses) }),
      ] + moves
    }

    /// Of each pair, so that what slows the machine for a while slows both.
    private func ratios(_ figure: (WorkerRun) -> Double) -> [Double] {
      zip(tiered, resident).map { figure($0) / figure($1) }
    }
  }
}
