import Glibc

/// Picks the next token from logits.
public struct Sampler: Sendable {
  public enum Method: Sendable, Hashable {
    /// The most likely token, of equals the lowest id.
    case greedy
    /// Probabilities of logits divided by `temperature`, cut to the likeliest tokens that together reach `topP`
    /// (Holtzman et al., The Curious Case of Neural Text Degeneration, 2019).
    case nucleus(temperature: Double, topP: Double)
  }

  private let method: Method
  private var generator: SplitMix64
  private var candidates: [Candidate] = []

  private struct Candidate {
    let token: UInt32
    let weight: Double
  }

  /// - Throws: `SamplingError` where temperature is no positive number or topP is not in (0, 1].
  public init(_ method: Method, seed: UInt64 = 0) throws(SamplingError) {
    if case .nucleus(let temperature, let topP) = method {
      guard temperature.isFinite, temperature > 0 else { throw .badTemperature(temperature) }
      guard topP > 0, topP <= 1 else { throw .badTopP(topP) }
    }
    self.method = method
    generator = SplitMix64(seed: seed)
  }

  /// The next token: an index of `logits`.
  /// - Throws: `SamplingError` where there are no logits, or one is not a number (minus infinity excludes a token).
  public mutating func next(_ logits: UnsafeBufferPointer<Float>) throws(SamplingError) -> UInt32 {
    let best = try Self.likeliest(logits)
    switch method {
    case .greedy: return UInt32(best)
    case .nucleus(let temperature, let topP): return sample(logits, best: best, temperature: temperature, topP: topP)
    }
  }

  private static func likeliest(_ logits: UnsafeBufferPointer<Float>) throws(SamplingError) -> Int {
    guard !logits.isEmpty else { throw .noLogits }
    var best = 0
    for i in logits.indices {
      guard !logits[i].isNaN, logits[i] < .infinity else { throw .notFinite(token: i) }
      if logits[i] > logits[best] { best = i }
    }
    guard logits[best] > -.infinity else { throw .notFinite(token: best) }
    return best
  }

  private mutating func sample(
    _ logits: UnsafeBufferPointer<Float>, best: Int, temperature: Double, topP: Double
  ) -> UInt32 {
    let highest = Double(logits[best])
    var total = 0.0
    candidates.removeAll(keepingCapacity: true)
    for (token, logit) in logits.enumerated() {
      let weight = exp((Double(logit) - highest) / temperature)
      total += weight
      candidates.append(Candidate(token: UInt32(token), weight: weight))
    }
    if topP < 1 {
      // Tokens below this all together weigh less than what topP leaves out, so the nucleus needs none of them, and
      // sorting a whole vocabulary is saved.
      let least = total * (1 - topP) / Double(logits.count)
      candidates.removeAll { $0.weight < least }
    }
    candidates.sort { $0.weight != $1.weight ? $0.weight > $1.weight : $0.token < $1.token }
    return draw(nucleusWeight: total * topP)
  }

  /// One of the first candidates that together reach `nucleusWeight`, each as likely as its weight says.
  private mutating func draw(nucleusWeight: Double) -> UInt32 {
    var kept = 0
    var weight = 0.0
    while kept < candidates.count, weight < nucleusWeight {
      weight += candidates[kept].weight
      kept += 1
    }
    var left = generator.nextUnit() * weight
    for candidate in candidates[..<kept] {
      left -= candidate.weight
      if left < 0 { return candidate.token }
    }
    // Rounding may leave a crumb of the weight unspent.
    return candidates[max(kept, 1) - 1].token
  }
}

public enum SamplingError: Error, Hashable, Sendable, CustomStringConvertible {
  case badTemperature(Double)
  case badTopP(Double)
  case noLogits
  case notFinite(token: Int)

  public var description: String {
    switch self {
    case .badTemperature(let value): "temperature \(value) is not a positive number (for greedy sampling give none)"
    case .badTopP(let value): "top-p \(value) is not above 0 and at most 1"
    case .noLogits: "there are no logits to sample from"
    case .notFinite(let token): "the logit of token \(token) is not a number: the computation went wrong"
    }
  }
}
