import Inference
import Testing

/// The real model against Transformers in f32.
@Suite(.serialized) struct ReferenceTests {
  let reference: Reference

  init() throws {
    reference = try Reference.load("smollm2_gpl3_f32")
  }

  @Test("f32: the same nll per token, whatever the chunk", arguments: [256, 512, 2048])
  func f32(chunkTokens: Int) throws {
    let score = try RealModel.f32.get().score(reference.tokens, chunkTokens: chunkTokens).score
    let difference = reference.meanDifference(score.nll)
    print("f32, chunks of \(chunkTokens): mean |difference of nll| \(difference) over \(score.nll.count) tokens")
    #expect(score.nll.count == reference.nll.count)
    #expect(difference <= 1e-4)
    #expect(score.top5.map { Float($0.token) } == reference.top5.map { $0[0] })
  }

  @Test("bf16: the same mean nll", arguments: [512])
  func bf16(chunkTokens: Int) throws {
    let score = try RealModel.bf16.get().score(reference.tokens, chunkTokens: chunkTokens).score
    print(
      "bf16 mean nll \(score.meanNLL), reference \(reference.mean), per token \(reference.meanDifference(score.nll))")
    #expect(abs(score.meanNLL - reference.mean) <= 0.02)
  }
}
