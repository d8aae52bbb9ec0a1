import Foundation
import Testing

/// Sliding and chunked layers cost a bounded amount of memory, however long the text, and what they have passed is never
/// written: a daemon whose memory holds a fraction of such a model's KV needs no disk.
@Suite struct HybridTests {
  let home: Workspace

  init() throws { home = try Workspace() }

  /// 16 tokens of one layer of a tiny model in f32: 2 heads of 16, K and V.
  private static let blockBytes = 4096
  /// Far less than the 4 MB of the longer text's KV.
  private static let budgets = Daemon.Budgets(device: "1MiB", host: "1MiB", disk: "64MiB")

  private func evaluate(_ family: String, tokens: Int) throws -> Evaluation {
    let daemon = try Daemon("\(family)-\(tokens)", Self.budgets, in: home)
    defer { _ = try? daemon.stop() }
    return try Evaluation(
      Worker.eval(
        Sources.family(family), tokens: Tokens.tiny(tokens, in: home), .daemon(daemon),
        ["--dtype", "f32", "--block-tokens", "16", "--prefill-chunk-size", "64", "--beyond-context"], in: home))
  }

  private func peak(_ evaluation: Evaluation) -> Int {
    ["device", "host", "disk"].reduce(0) { $0 + evaluation.tiers.peakBytes[$1, default: 0] }
  }

  @Test("A model that only slides needs as much for 4,000 tokens as for 1,000, and no disk")
  func sliding() throws {
    let (short, long) = (try evaluate("mistral", tokens: 1000), try evaluate("mistral", tokens: 4000))
    print("sliding layers: peaks of \(short.tiers.peakBytes) and \(long.tiers.peakBytes)")
    #expect(peak(long) <= peak(short) + 8 * Self.blockBytes)
    for run in [short, long] {
      #expect(run.tiers.blocks(from: "host", to: "disk") == 0)
      #expect(run.tiers.lost == 0 && run.recomputedBlocks == 0)
    }
    #expect(long.tiers.blocks(from: "worker", to: "device") + long.tiers.blocks(from: "worker", to: "host") > 900)
  }

  @Test("Of a model that is cut into chunks in three layers of four, only the fourth grows")
  func chunked() throws {
    let (short, long) = (try evaluate("llama4", tokens: 1000), try evaluate("llama4", tokens: 4000))
    print("chunked layers: peaks of \(short.tiers.peakBytes) and \(long.tiers.peakBytes)")
    let full = (4000 - 1000) / 16 * Self.blockBytes
    // The tiers' peaks need not be of one moment: what was under way between them counts twice. All layers would be 4 × full.
    #expect(peak(long) <= peak(short) + full + full / 3)
    #expect(long.tiers.blocks(from: "host", to: "disk") == 0)
    #expect(long.tiers.lost == 0 && long.recomputedBlocks == 0)
  }

  @Test("A model of full layers, though, fills memory and disk")
  func control() throws {
    let long = try evaluate("llama3", tokens: 4000)
    #expect(long.tiers.blocks(from: "host", to: "disk") > 0)
    // More than memory has: the rest is on disk, compressed.
    #expect(peak(long) > 3 << 20)
  }

  @Test("What is left of a text is enough to go on from: its windows are read back, not computed again")
  func again() throws {
    let daemon = try Daemon("again", Self.budgets, in: home)
    let tokens = try Tokens.tiny(1000, in: home)
    let flags = ["--dtype", "f32", "--block-tokens", "16", "--prefill-chunk-size", "64", "--ordered"]
    let runs = try (0..<2).map { _ in
      try Evaluation(Worker.eval(Sources.family("gemma3"), tokens: tokens, .daemon(daemon), flags, in: home))
    }
    #expect(runs[0].isIdentical(to: runs[1]))
    #expect(
      try Evaluation(Worker.eval(Sources.family("gemma3"), tokens: tokens, .embedded([]), flags, in: home))
        .isIdentical(to: runs[0]))
  }
}
