import FoundationEssentials
import TierCore

/// A disk that returns other bytes for one read in a hundred, in the middle of a prefill: what it costs, and that it does
/// not show in the result.
struct DamageGroup: BenchmarkGroup {
  static let name = "damage"
  static let summary = "1 in 100 blocks read from disk damaged during an ordered prefill, to none"
  static let needs: [BenchmarkNeed] = [.model]

  private static let (tokens, newTokens, blockTokens) = (4096, 4, 256)
  /// A read may bring several blocks: so that at least one block in a hundred is damaged.
  private static let oneReadIn = 85
  private static let leastPercent = 1.0

  private struct Status: Decodable {
    struct Spill: Decodable { let damagedRecords: Int }
    let spill: Spill
  }

  private struct Reading {
    let run: WorkerRun
    let counted: StoreStatistics
    let damagedRecords: Int
  }

  func run(_ bench: Bench) throws -> [Figure] {
    let prompt = try Prompt(bench, tokens: Self.tokens)
    bench.progress.show("nothing damaged")
    let clean = try read(bench, prompt, [])
    bench.progress.show("one read in \(Self.oneReadIn) damaged")
    let damaged = try read(bench, prompt, ["--test-damage-one-read-in", "\(Self.oneReadIn)"])
    guard let digest = clean.run.report.logitsSha256, digest == damaged.run.report.logitsSha256 else {
      throw BenchFault.failed("damaged reads changed the logits")
    }
    guard damaged.damagedRecords > 0, clean.damagedRecords == 0 else {
      throw BenchFault.failed(
        "\(damaged.damagedRecords) reads were damaged, \(clean.damagedRecords) where none should be")
    }
    let reads = damaged.counted.diskToHost.blocks + damaged.damagedRecords
    return [
      Figure(
        "identical_logits_positions", "positions whose logits are the same bits, damaged and not", .positions,
        value: Double(damaged.run.report.tokenIds?.count ?? 0), target: .atLeast(Double(Self.newTokens))),
      Figure("read_blocks", "blocks read from disk", .blocks, value: Double(reads)),
      Figure("damaged_blocks", "  of them damaged, and found to be", .blocks, value: Double(damaged.damagedRecords)),
      Figure(
        "damaged_percent", "  which is", .percent, value: 100 * Double(damaged.damagedRecords) / Double(reads),
        target: .atLeast(Self.leastPercent)),
      Figure(
        "recomputed_blocks", "blocks of tokens computed again", .blocks,
        value: Double(damaged.run.report.recomputedBlocks)),
      Figure("clean_prefill_s", "prefill, nothing damaged", .seconds, value: clean.run.report.prefillS),
      Figure(
        "damaged_prefill_s", "prefill, one read in \(Self.oneReadIn) damaged", .seconds,
        value: damaged.run.report.prefillS),
    ]
  }

  private func read(_ bench: Bench, _ prompt: Prompt, _ flags: [String]) throws -> Reading {
    let quarter = prompt.tokenCount / Self.blockTokens * 30 * (192 << 10) / 4
    let daemon = try DaemonProcess(
      bench, DaemonProcess.Budgets(deviceBytes: quarter, hostBytes: quarter, diskBytes: 2 << 30, flags: flags))
    defer { withExtendedLifetime(daemon) {} }
    let run = try WorkerRun(
      bench,
      [
        "run", "--socket", daemon.socketPath, "--prompt-file", prompt.textPath, "--raw", "--ordered",
        "--max-new-tokens",
        "\(Self.newTokens)", "--dtype", "bf16", "--prefill-chunk-size", "512", "--block-tokens", "\(Self.blockTokens)",
      ])
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    guard let status = try? decoder.decode(Status.self, from: daemon.control(["status"])) else {
      throw BenchFault.failed("tierctl status printed nothing that can be read")
    }
    return Reading(run: run, counted: try daemon.statistics(), damagedRecords: status.spill.damagedRecords)
  }
}
