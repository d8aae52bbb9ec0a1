import Foundation
import Testing

/// Where blocks are must not show in what is computed: same bits with everything resident and with almost nothing.
@Suite(.serialized) struct TieringTests {
  let home: Workspace
  let model: String

  init() throws {
    home = try Workspace()
    model = try RealModel.path()
  }

  /// Slow enough for blocks to be asked for before they have come: a good prefetch leaves no misses otherwise.
  private static let link = "32MiB/s"

  /// One type of the cache, and a text long enough for the store to be far too small for its KV.
  struct Case: CustomTestStringConvertible {
    let type: String
    let tokens: Int
    let chunkTokens: Int
    /// Of the device, and of the host: more than one step needs, and a tenth of the KV.
    let budget: String

    var testDescription: String { type }
  }

  @Test(
    "The same bits resident, spilled to disk, embedded, and with the prefix in the store already",
    arguments: [
      Case(type: "bf16", tokens: 2048, chunkTokens: 512, budget: "4MiB"),
      Case(type: "f32", tokens: 1024, chunkTokens: 256, budget: "4MiB"),
    ])
  func sameBits(_ this: Case) throws {
    let tokens = try Tokens.real(this.tokens, in: home)
    let flags = ["--ordered", "--dtype", this.type, "--prefill-chunk-size", "\(this.chunkTokens)"]
    func evaluate(_ store: Worker.Store) throws -> Evaluation {
      try Evaluation(Worker.eval(model, tokens: tokens, store, flags, in: home))
    }

    let ample = try Daemon("ample", in: home)
    let resident = try evaluate(.daemon(ample))
    try ample.stop()
    #expect(resident.nll.count == this.tokens - 1)
    #expect(resident.nll.allSatisfy(\.isFinite) && resident.top5.count == 5)
    #expect(resident.tiers.misses == 0)
    #expect(resident.tiers.blocks(from: "host", to: "disk") == 0)

    let scarce = try Daemon("scarce", .init(device: this.budget, host: this.budget, link: Self.link), in: home)
    let spilled = try evaluate(.daemon(scarce))
    expectSpilled(spilled.tiers)
    #expect(spilled.isIdentical(to: resident))

    // All blocks are in the store now, most of them on disk.
    let again = try evaluate(.daemon(scarce))
    #expect(again.tiers.hits > 0)
    #expect(again.tiers.blocks(from: "worker", to: "device") + again.tiers.blocks(from: "worker", to: "host") == 0)
    #expect(again.isIdentical(to: resident))
    try scarce.stop()

    #expect(try evaluate(.embedded([])).isIdentical(to: resident))
    #expect(home.leftovers.isEmpty)
  }

  @Test("In the order blocks become resident, the mean nll differs by no more than rounding does")
  func unordered() throws {
    let tokens = try Tokens.real(2048, in: home)
    let scarce = try Daemon("scarce", .init(device: "4MiB", host: "4MiB", link: Self.link), in: home)
    let ordered = try Evaluation(Worker.eval(model, tokens: tokens, .embedded([]), ["--ordered"], in: home))
    let unordered = try Evaluation(Worker.eval(model, tokens: tokens, .daemon(scarce), in: home))
    expectSpilled(unordered.tiers)
    #expect(abs(unordered.meanNll - ordered.meanNll) <= 0.02)
    // What is likeliest by a clear margin stays so.
    if ordered.top5[0][1] - ordered.top5[1][1] > 0.05 { #expect(unordered.top5[0][0] == ordered.top5[0][0]) }
  }

  private func expectSpilled(_ tiers: Evaluation.Tiers) {
    #expect(tiers.blocks(from: "host", to: "disk") > 0)
    #expect(tiers.blocks(from: "disk", to: "host") > 0)
    #expect(tiers.lost == 0)
    for (tier, budget) in tiers.budgetBytes {
      #expect(tiers.peakBytes[tier, default: .max] <= budget, "the peak of \(tier) is beyond its budget")
    }
  }
}
