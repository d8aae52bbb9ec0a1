import ModelFiles
import Testing

@Suite struct RotaryEmbeddingTests {
  /// `LlamaForCausalLM(...).model.rotary_emb.inv_freq` of Transformers 5.23, theta 500,000, 32 elements a head.
  private let reference: [Float] = [
    1.0, 0.44036662578582764, 0.193922758102417, 0.08539710193872452, 0.03760603070259094, 0.016560440883040428,
    0.00729266507551074, 0.0032114461064338684, 0.0005248460220173001, 7.784655463183299e-05, 3.428102354519069e-05,
    1.5096217794052791e-05, 6.647869668086059e-06, 2.927499735960737e-06, 1.289173155782919e-06, 5.677088097399974e-07,
  ]

  @Test func llama3FrequenciesAreTheReferences() {
    let scaling = RotaryEmbedding.Scaling.llama3(
      factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 8192)
    let frequencies = RotaryEmbedding(theta: 500_000, scaling: scaling).inverseFrequencies(headDim: 32)
    #expect(frequencies.count == reference.count)
    for (ours, theirs) in zip(frequencies, reference) { #expect(abs(ours - theirs) <= 2e-7 * theirs) }
  }

  @Test func divisorsSayTheSameAsLlama3() {
    let plain = RotaryEmbedding(theta: 500_000, scaling: .none).inverseFrequencies(headDim: 32)
    let divisors = zip(plain, reference).map { $0 / $1 }
    let frequencies = RotaryEmbedding(theta: 500_000, scaling: .divisors(divisors)).inverseFrequencies(headDim: 32)
    for (ours, theirs) in zip(frequencies, reference) { #expect(abs(ours - theirs) <= 3e-7 * theirs) }
  }

  @Test func linearScalingDividesEveryFrequency() {
    let plain = RotaryEmbedding(theta: 10_000, scaling: .none).inverseFrequencies(headDim: 8)
    let scaled = RotaryEmbedding(theta: 10_000, scaling: .linear(factor: 4)).inverseFrequencies(headDim: 8)
    #expect(scaled == plain.map { $0 / 4 })
    #expect(plain[0] == 1)
  }
}
