import FoundationEssentials
import Glibc
import Inference
import TierCore

/// What a run measured: the same for the table and for `--json`.
struct RunReport: Encodable {
  struct Move: Encodable {
    let from: String
    let to: String
    let blocks: Int
    let bytes: Int
  }
  struct Tiers: Encodable {
    let moves: [Move]
    let hits: Int
    let misses: Int
    let lost: Int
    let peakBytes: [String: Int]
    let budgetBytes: [String: Int]
    let spillRatio: Double?
  }

  let prefillS: Double
  let tokensPerS: Double
  let promptTokens: Int
  let computedTokens: Int
  let chunks: Int
  let stallS: Double
  let stalls: Int
  /// Blocks of tokens computed again because the store had lost them.
  let recomputedBlocks: Int
  let peakRssBytes: Int
  let tiers: Tiers

  /// `before` was read when the sequence began, `after` when it ended: the difference is this run's (and that of whoever
  /// shared the store meanwhile).
  init(
    _ prefill: Prefill.Outcome, _ kv: KVStatistics, _ before: StoreStatistics, _ after: StoreStatistics, chunks: Int
  ) {
    prefillS = prefill.seconds
    tokensPerS = prefill.tokensPerSecond
    promptTokens = prefill.tokens
    computedTokens = prefill.computedTokens
    self.chunks = chunks
    stallS = Double(kv.stallNanoseconds) * 1e-9
    stalls = kv.stalls
    recomputedBlocks = kv.blocksRecomputed
    peakRssBytes = Self.peakRss()
    let pairs: [(String, String, KeyPath<StoreStatistics, StoreStatistics.Moves>)] = [
      ("worker", "device", \.bornOnDevice), ("worker", "host", \.bornOnHost), ("device", "host", \.deviceToHost),
      ("host", "device", \.hostToDevice), ("host", "disk", \.hostToDisk), ("disk", "host", \.diskToHost),
    ]
    let stored = after.spillStoredBytes - before.spillStoredBytes
    tiers = Tiers(
      moves: pairs.map { from, to, path in
        Move(
          from: from, to: to, blocks: after[keyPath: path].blocks - before[keyPath: path].blocks,
          bytes: after[keyPath: path].bytes - before[keyPath: path].bytes)
      },
      hits: after.hits - before.hits, misses: after.misses - before.misses, lost: after.lost - before.lost,
      peakBytes: Self.perTier(after, \.peakBytes), budgetBytes: Self.perTier(after, \.budgetBytes),
      spillRatio: stored > 0 ? Double(after.spillOriginalBytes - before.spillOriginalBytes) / Double(stored) : nil)
  }

  private static func perTier(
    _ store: StoreStatistics, _ figure: KeyPath<StoreStatistics.TierUse, Int>
  ) -> [String: Int] {
    [
      "device": store.device[keyPath: figure], "host": store.host[keyPath: figure],
      "disk": store.disk[keyPath: figure],
    ]
  }

  private static func peakRss() -> Int {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return Int(usage.ru_maxrss) * 1024
  }

  /// A table a person reads at the end of a run.
  var table: String {
    var rows: [(String, String)] = [
      ("prompt", "\(promptTokens) tokens in \(chunks) chunks"),
      ("prefill", "\(Self.decimal(prefillS, 2)) s, \(Self.decimal(tokensPerS, 0)) tokens/s"),
    ]
    if computedTokens < promptTokens { rows.append(("shared prefix", "\(promptTokens - computedTokens) tokens")) }
    for move in tiers.moves where move.blocks > 0 {
      rows.append(("\(move.from) → \(move.to)", "\(ByteCount.text(move.bytes)) in \(move.blocks) blocks"))
    }
    rows.append(("hits", "\(tiers.hits) of \(tiers.hits + tiers.misses) blocks were resident when asked for"))
    rows.append(("stalls", "\(stalls), \(Self.decimal(stallS, 2)) s"))
    if recomputedBlocks > 0 { rows.append(("lost", "\(recomputedBlocks) blocks of tokens were computed again")) }
    let peaks = ["device", "host", "disk"].map { "\($0) \(ByteCount.text(tiers.peakBytes[$0] ?? 0))" }
    rows.append(("peak memory", peaks.joined(separator: ", ") + "; this process \(ByteCount.text(peakRssBytes))"))
    if let ratio = tiers.spillRatio { rows.append(("LZ4 ratio", Self.decimal(ratio, 2))) }
    let width = rows.map(\.0.count).max() ?? 0
    return rows.map { name, value in
      "  " + name + String(repeating: " ", count: width - name.count) + "  " + value + "\n"
    }.joined()
  }

  static func decimal(_ value: Double, _ digits: Int) -> String {
    var scale = 1.0
    for _ in 0..<digits { scale *= 10 }
    let scaled = Int((value * scale).rounded())
    guard digits > 0 else { return "\(scaled)" }
    let fraction = String(abs(scaled) % Int(scale))
    return "\(scaled / Int(scale))." + String(repeating: "0", count: digits - fraction.count) + fraction
  }
}

/// JSON as the command line promises it: snake_case, floats at full precision.
enum WorkerJSON {
  static func text(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.sortedKeys]
    return String(decoding: try encoder.encode(value), as: UTF8.self) + "\n"
  }

  static func deliver(_ value: some Encodable, _ options: SharedOptions) throws {
    let text = try text(value)
    if options.json { Terminal.output(text) }
    guard let path = options.jsonFile else { return }
    do { try text.write(toFile: path, atomically: true, encoding: .utf8) } catch {
      throw WorkerFault(message: "cannot write \(path): \(error)", exitCode: 74)
    }
  }
}
