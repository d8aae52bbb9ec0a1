import Inference
import Testing

/// A random Llama with everything a Llama can have: GQA, a head size of its own, scaled rope, an untied head.
@Suite struct TinyModelTests {
  let reference: Reference

  init() throws {
    reference = try Reference.load("tiny_llama_f32")
  }

  @Test(
    "f32: the same nll per token",
    arguments: [(16, 16), (64, 16), (48, 16), (256, 256), (256, 64), (200, 8)])
  func f32(chunkTokens: Int, blockTokens: Int) throws {
    let score = try TinyModel.f32.get()
      .score(reference.tokens, chunkTokens: chunkTokens, blockTokens: blockTokens).score
    #expect(reference.meanDifference(score.nll) <= 1e-4)
    #expect(score.top5.map { Float($0.token) } == reference.top5.map { $0[0] })
  }

  @Test("bf16: the same mean nll, with AMX tiles and with oneDNN", arguments: [true, false])
  func bf16(allowsTiles: Bool) throws {
    let bench = try Bench(path: TinyModel.path, type: .bf16, allowsTiles: allowsTiles)
    let score = try bench.score(reference.tokens, chunkTokens: 64, blockTokens: 16).score
    #expect(abs(score.meanNLL - reference.mean) <= 0.02)
  }

  @Test("A prompt shorter than a block", arguments: [1, 2, 15])
  func short(tokens: Int) throws {
    let prompt = Array(reference.tokens.prefix(tokens))
    let score = try TinyModel.f32.get().score(prompt, chunkTokens: 16, blockTokens: 16).score
    #expect(score.nll.count == tokens - 1)
    for (ours, theirs) in zip(score.nll, reference.nll) { #expect(abs(ours - theirs) <= 1e-3) }
  }
}
