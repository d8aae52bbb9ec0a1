import Foundation
import ModelFiles
import Testing
import TierCore

@testable import Inference

/// A tiny random model of each family against Transformers, over a text far longer than its windows and chunks.
@Suite struct FamilyTests {
  static let names = ["llama3", "mistral", "qwen2", "qwen3", "gemma2", "gemma3", "llama4"]
  static let ggufNames = ["llama3", "qwen3", "gemma2", "gemma3", "llama4"]
  static let chunks = [64, 256, 1024]

  struct Reference: Decodable {
    let tokens: [UInt32]
    let nll: [String: [Float]]
  }

  let reference: Reference

  init() throws {
    let url = Bundle.module.url(forResource: "Fixtures/families/reference", withExtension: "json")!
    reference = try JSONDecoder().decode(Reference.self, from: Data(contentsOf: url))
  }

  static func path(_ file: String) -> String {
    Bundle.module.url(forResource: "Fixtures/families/\(file)", withExtension: nil)!.path
  }

  /// The largest difference from the reference at any position.
  private func worst(_ bench: Bench, _ expected: String, chunkTokens: Int, ordered: Bool = false) throws -> Float {
    let nll = try bench.score(
      reference.tokens, chunkTokens: chunkTokens, blockTokens: min(64, chunkTokens), ordered: ordered
    ).score.nll
    let theirs = try #require(reference.nll[expected])
    #expect(nll.count == theirs.count)
    return zip(nll, theirs).map { abs($0 - $1) }.max() ?? .infinity
  }

  @Test("f32: the same nll at every position, whatever the chunk", arguments: names)
  func directory(name: String) throws {
    let bench = try Bench(path: Self.path(name), type: .f32)
    for chunk in Self.chunks {
      let difference = try worst(bench, name, chunkTokens: chunk)
      print("\(name), chunks of \(chunk): largest |difference of nll| \(difference)")
      #expect(difference <= 1e-3)
    }
  }

  @Test("f32: the same from GGUF", arguments: ggufNames)
  func gguf(name: String) throws {
    let bench = try Bench(path: Self.path("\(name).gguf"), type: .f32)
    let expected = reference.nll["\(name).gguf"] == nil ? name : "\(name).gguf"
    #expect(try worst(bench, expected, chunkTokens: 256) <= 1e-3)
  }

  @Test(
    "A model whose windows are left out is noticed",
    arguments: [
      ("mistral", "sliding_window", 90), ("qwen2", "sliding_window", 100), ("gemma2", "sliding_window", 100),
      ("gemma3", "sliding_window", 70), ("llama4", "attention_chunk_size", 150),
    ])
  func control(name: String, key: String, tokens: Int) throws {
    let directory = NSTemporaryDirectory() + "tierd-family-\(UUID().uuidString)"
    try FileManager.default.copyItem(atPath: Self.path(name), toPath: directory)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let file = URL(fileURLWithPath: directory + "/config.json")
    let config = try String(contentsOf: file, encoding: .utf8)
    let changed = config.replacingOccurrences(of: "\"\(key)\": \(tokens),", with: "\"\(key)\": 4096,")
    #expect(changed != config)
    try Data(changed.utf8).write(to: file)
    #expect(try worst(Bench(path: directory, type: .f32), name, chunkTokens: 256) > 1e-3)
  }

  @Test("bf16: the same mean nll, about", arguments: names)
  func bf16(name: String) throws {
    let bench = try Bench(path: Self.path(name), type: .bf16)
    let theirs = try #require(reference.nll[name])
    let score = try bench.score(reference.tokens, chunkTokens: 256, blockTokens: 64).score
    let mean = theirs.reduce(0.0) { $0 + Double($1) } / Double(theirs.count)
    print("\(name), bf16: mean nll \(score.meanNLL), reference \(mean)")
    #expect(abs(score.meanNLL - mean) <= 0.02)
  }
}

/// Hybrid models through stores that let go of what is out of reach, and lose what is not.
@Suite struct HybridResidencyTests {
  static let names = ["mistral", "gemma3", "llama4"]
  let tokens: [UInt32]

  init() throws { tokens = Array(try FamilyTests().reference.tokens.prefix(600)) }

  @Test("In order, what was lost is computed again to the bit, whatever was let go", arguments: names, 1...3)
  func recomputed(name: String, seed: Int) throws {
    let bench = try Bench(path: FamilyTests.path(name), type: .f32)
    let resident = try bench.score(tokens, chunkTokens: 64, blockTokens: 16, ordered: true).score
    let session = AllResidentSession(
      .init(seed: UInt64(seed), movingPercent: seed % 2 == 0 ? 40 : 0, lossPercent: 1, sealsLate: seed == 3))
    let (score, statistics) = try bench.score(
      tokens, chunkTokens: 64, blockTokens: 16, ordered: true, session: session)
    #expect(score.nll == resident.nll)
    #expect(score.top5 == resident.top5)
    #expect(statistics.blocksRecomputed > 0)
    #expect(session.retiredCount > 0)
    #expect(session.brokenRules == [])
    #expect(session.leaseCount == 0)
  }

  @Test("Layers that slide or are cut hold no more than their reach", arguments: names)
  func reach(name: String) throws {
    let bench = try Bench(path: FamilyTests.path(name), type: .f32)
    let session = AllResidentSession()
    _ = try bench.score(tokens, chunkTokens: 64, blockTokens: 16, session: session)
    #expect(session.brokenRules == [])
    for (layer, reach) in bench.config.reach.enumerated() {
      let held = session.heldCount(layer: layer)
      switch reach {
      case .full: #expect(held == 600 / 16)
      // The reach, the last chunk, and what the last chunk did not get round to letting go.
      case .sliding(let tokens), .chunked(let tokens):
        #expect(held <= tokens / 16 + 2 + 64 / 16 * 2)
      }
    }
  }
}
