import Inference
import Testing

@Suite struct SamplerTests {
  private func draws(
    _ method: Sampler.Method, seed: UInt64, _ logits: [Float], count: Int
  ) throws -> [UInt32] {
    var sampler = try Sampler(method, seed: seed)
    return try (0..<count).map { _ in
      try logits.withUnsafeBufferPointer { (logits) throws(SamplingError) in try sampler.next(logits) }
    }
  }

  @Test func greedyTakesTheFirstOfTheHighest() throws {
    #expect(try draws(.greedy, seed: 1, [0, 3, -1, 3], count: 2) == [1, 1])
  }

  @Test func aSeedFixesTheDraws() throws {
    let logits = (0..<100).map { Float($0 % 7) }
    let one = try draws(.nucleus(temperature: 1, topP: 0.9), seed: 5, logits, count: 50)
    #expect(try draws(.nucleus(temperature: 1, topP: 0.9), seed: 5, logits, count: 50) == one)
    #expect(try draws(.nucleus(temperature: 1, topP: 0.9), seed: 6, logits, count: 50) != one)
  }

  /// Softmax of these logits is 0.5, 0.25, 0.125, 0.125.
  private let halves: [Float] = [3, 2, 1, 1].map { $0 * 0.6931472 }

  @Test func frequenciesFollowTheSoftmax() throws {
    let drawn = try draws(.nucleus(temperature: 1, topP: 1), seed: 3, halves, count: 20_000)
    for (token, share) in [0.5, 0.25, 0.125, 0.125].enumerated() {
      let found = Double(drawn.count { $0 == token }) / 20_000
      #expect(abs(found - share) < 0.015, "token \(token): \(found)")
    }
  }

  @Test func theNucleusIsTheFewestThatReachTopP() throws {
    #expect(Set(try draws(.nucleus(temperature: 1, topP: 0.7), seed: 3, halves, count: 1000)) == [0, 1])
    #expect(Set(try draws(.nucleus(temperature: 1, topP: 0.4), seed: 3, halves, count: 1000)) == [0])
  }

  @Test func aHigherTemperatureSpreadsTheDraws() throws {
    let cold = try draws(.nucleus(temperature: 0.2, topP: 1), seed: 3, halves, count: 2000).count { $0 == 0 }
    let hot = try draws(.nucleus(temperature: 5, topP: 1), seed: 3, halves, count: 2000).count { $0 == 0 }
    #expect(cold > 1800)
    #expect(hot < 800)
  }

  @Test func anExcludedTokenIsNeverDrawn() throws {
    #expect(!(try draws(.nucleus(temperature: 9, topP: 1), seed: 3, [0, -.infinity, 0], count: 1000)).contains(1))
  }

  @Test func whatIsNoNumberIsRefused() {
    #expect(throws: SamplingError.notFinite(token: 1)) { try draws(.greedy, seed: 0, [0, .nan], count: 1) }
    #expect(throws: SamplingError.notFinite(token: 0)) { try draws(.greedy, seed: 0, [.infinity, 1], count: 1) }
    #expect(throws: SamplingError.noLogits) { try draws(.greedy, seed: 0, [], count: 1) }
    #expect(throws: SamplingError.badTemperature(0)) { try Sampler(.nucleus(temperature: 0, topP: 1)) }
    #expect(throws: SamplingError.badTopP(1.5)) { try Sampler(.nucleus(temperature: 1, topP: 1.5)) }
  }

  /// The published test vector of SplitMix64 for the seed 1234567.
  @Test func theGeneratorIsTheOnePublished() {
    var generator = SplitMix64(seed: 1_234_567)
    let expected: [UInt64] = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
    #expect(expected.map { _ in generator.next() } == expected)
  }
}
