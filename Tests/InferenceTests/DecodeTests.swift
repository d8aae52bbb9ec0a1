import Foundation
import Testing
import TierCore

@testable import Inference

/// Tokens one at a time, after a prompt: across block boundaries, out of a cached prefix.
@Suite struct DecodeTests {
  let tokens: [UInt32]
  let bench: Bench

  init() throws {
    tokens = try Reference.load("tiny_llama_f32").tokens
    bench = try TinyModel.f32.get()
  }

  /// Greedy continuation of a prompt and the logits each token was chosen from.
  private func generate(
    _ prompt: Int, _ count: Int, _ session: AllResidentSession = AllResidentSession(), ordered: Bool = true,
    reuses: Bool = false
  ) throws -> (tokens: [UInt32], logits: [[Float]], computed: Int, statistics: KVStatistics) {
    try bench.lock.withLock {
      let kv = try bench.kv(session, blockTokens: 16, maxTokens: prompt + count) {
        $0.chunkTokens = 32
        $0.ordered = ordered
        $0.stallDeadlineMs = 2000
      }
      let model = Transformer(
        weights: bench.weights, compute: bench.compute, layout: bench.layout(blockTokens: 16), maxTokens: 32)
      let outcome = try Prefill(chunkTokens: 32, reusesCachedBlocks: reuses)
        .run(Array(tokens.prefix(prompt)), model: model, kv: kv)
      var logits: [[Float]] = []
      let chosen = try Decoder(model: model, kv: kv).run(
        count: count, afterRow: (outcome.computedTokens - 1) % 32,
        choose: {
          logits.append(Array($0))
          return Decoder.greedy($0)
        })
      try kv.close()
      return (chosen, logits, outcome.computedTokens, kv.statistics)
    }
  }

  @Test("A decoded token's logits are those of a prefill", arguments: [1, 15, 16, 17, 31, 32, 50])
  func likePrefill(prompt: Int) throws {
    let decoded = try generate(prompt, 40)
    #expect(decoded.tokens.count == 40)
    let text = Array(tokens.prefix(prompt)) + decoded.tokens.dropLast()
    let score = try bench.score(text + [0], chunkTokens: 64, blockTokens: 16).score
    // nll of the token after position i, from the logits it was chosen from.
    for (i, logits) in decoded.logits.enumerated() where prompt + i < text.count {
      let target = Int(text[prompt + i])
      let sum = logits.reduce(0.0) { $0 + Double.exp(Double($1)) }
      let nll = Double.logarithm(sum) - Double(logits[target])
      #expect(abs(nll - Double(score.nll[prompt + i - 1])) <= 1e-3, "token \(i)")
    }
  }

  @Test("In order, residency changes no logit", arguments: 1...4 as ClosedRange<UInt64>)
  func ordered(seed: UInt64) throws {
    let resident = try generate(50, 40)
    let session = AllResidentSession(.init(seed: seed, movingPercent: 50, stalePercent: 5))
    let shuffled = try generate(50, 40, session)
    #expect(shuffled.tokens == resident.tokens)
    #expect(shuffled.logits == resident.logits)
    #expect(session.brokenRules == [])
  }

  @Test("In order, generated tokens are computed again to the bit", arguments: 1...6 as ClosedRange<UInt64>)
  func recomputed(seed: UInt64) throws {
    let resident = try generate(50, 60)
    let session = AllResidentSession(.init(seed: seed, movingPercent: 20, lossPercent: 1))
    let again = try generate(50, 60, session)
    #expect(again.tokens == resident.tokens)
    #expect(again.logits == resident.logits)
    #expect(again.statistics.blocksRecomputed > 0)
    #expect(session.brokenRules == [])
  }

  @Test("Blocks that fill while decoding are sealed")
  func sealed() throws {
    // 50 + 39 tokens computed: 5 full blocks in 3 layers.
    #expect(try generate(50, 40).statistics.blocksSealed == 15)
  }

  @Test("A cached prefix is not computed again, and changes nothing", arguments: [(50, 2), (64, 16), (65, 1), (40, 8)])
  func prefix(prompt: Int, computed: Int) throws {
    let session = AllResidentSession()
    let first = try generate(prompt, 8, session)
    let second = try generate(prompt, 8, session, reuses: true)
    #expect(second.computed == computed)
    #expect(second.tokens == first.tokens)
    #expect(session.brokenRules == [])
  }

  @Test("An end token ends the text and is not part of it")
  func end() throws {
    let all = try generate(20, 6).tokens
    let kv = try bench.kv(AllResidentSession(), blockTokens: 16, maxTokens: 40) { $0.ordered = true }
    let model = Transformer(
      weights: bench.weights, compute: bench.compute, layout: bench.layout(blockTokens: 16), maxTokens: 16)
    let some = try bench.lock.withLock {
      _ = try Prefill(chunkTokens: 16).run(Array(tokens.prefix(20)), model: model, kv: kv)
      return try Decoder(model: model, kv: kv).run(
        count: 6, afterRow: 3, choose: Decoder.greedy, isEnd: { $0 == all[3] })
    }
    #expect(some == Array(all.prefix(while: { $0 != all[3] })))
  }

  @Test("Ids beyond the vocabulary and empty prompts are refused")
  func badInput() throws {
    #expect(throws: InferenceError.emptyPrompt) { try bench.score([], chunkTokens: 16, blockTokens: 16) }
    #expect(throws: InferenceError.tokenOutOfRange(token: 96, vocab: 96)) {
      try bench.score([1, 96], chunkTokens: 16, blockTokens: 16)
    }
  }
}

extension Double {
  fileprivate static func exp(_ x: Double) -> Double { Glibc.exp(x) }
  fileprivate static func logarithm(_ x: Double) -> Double { Glibc.log(x) }
}
