import Glibc

/// Rotary position embedding: pair i of a head turns by `position * inverseFrequencies[i]` radians.
public struct RotaryEmbedding: Sendable, Hashable {
  public enum Scaling: Sendable, Hashable {
    case none
    /// Every frequency divided by `factor` (position interpolation).
    case linear(factor: Float)
    /// Low frequencies divided by `factor`, high ones kept, a ramp between them: Llama 3.1 and later.
    case llama3(factor: Float, lowFrequencyFactor: Float, highFrequencyFactor: Float, originalContext: Int)
    /// Frequency i divided by element i: what a GGUF file carries as `rope_freqs.weight`. headDim / 2 elements.
    case divisors([Float])
    /// High frequencies kept, low ones divided, by how often a pair turns within the original context.
    case yarn(Yarn)
  }

  /// YaRN (arXiv:2309.00071).
  public struct Yarn: Sendable, Hashable {
    public var factor: Float
    /// Turns within the original context above which a frequency is kept, and below which it is divided.
    public var betaFast: Float
    public var betaSlow: Float
    public var originalContext: Int
    /// What cosines and sines are multiplied by.
    public var attentionFactor: Float
    /// The ramp between the two begins and ends at whole pairs.
    public var truncates: Bool
  }

  /// The base of the geometric series of wavelengths.
  public let theta: Float
  public let scaling: Scaling

  public init(theta: Float, scaling: Scaling) {
    self.theta = theta
    self.scaling = scaling
  }

  /// What cosines and sines are multiplied by.
  public var attentionFactor: Float {
    if case .yarn(let yarn) = scaling { yarn.attentionFactor } else { 1 }
  }

  /// headDim / 2 angles in radians per position, highest first: `theta^(-2i / headDim)`, then scaled.
  public func inverseFrequencies(headDim: Int) -> [Float] {
    // Rounded where the reference rounds: exponent, power and reciprocal, each to a Float.
    let plain = (0..<headDim / 2).map { i in
      1 / Float(pow(Double(theta), Double(Float(2 * i) / Float(headDim))))
    }
    switch scaling {
    case .none:
      return plain
    case .linear(let factor):
      return plain.map { $0 / factor }
    case .divisors(let divisors):
      return zip(plain, divisors).map { $0 / $1 }
    case .yarn(let yarn):
      return Self.yarn(plain, yarn, theta: theta, headDim: headDim)
    case .llama3(let factor, let low, let high, let original):
      return plain.map {
        Self.llama3(frequency: $0, factor: factor, low: low, high: high, originalContext: Float(original))
      }
    }
  }

  /// The rule of Llama 3.1's reference code: wavelengths beyond `originalContext / low` are stretched by `factor`, those
  /// below `originalContext / high` are kept, and between the two the frequency is interpolated.
  private static func llama3(
    frequency: Float, factor: Float, low: Float, high: Float, originalContext: Float
  ) -> Float {
    let wavelength = 2 * Float.pi / frequency
    if wavelength < originalContext / high { return frequency }
    if wavelength > originalContext / low { return frequency / factor }
    let smooth = (originalContext / wavelength - low) / (high - low)
    return (1 - smooth) * frequency / factor + smooth * frequency
  }
  /// As Transformers' `_compute_yarn_parameters`: pairs before the ramp keep their frequency, those after it have it
  /// divided by the factor.
  private static func yarn(_ plain: [Float], _ yarn: Yarn, theta: Float, headDim: Int) -> [Float] {
    let dim = Double(headDim)
    func pair(turns: Float) -> Double {
      dim * log(Double(yarn.originalContext) / (Double(turns) * 2 * Double.pi)) / (2 * log(Double(theta)))
    }
    var (low, high) = (pair(turns: yarn.betaFast), pair(turns: yarn.betaSlow))
    if yarn.truncates { (low, high) = (low.rounded(.down), high.rounded(.up)) }
    low = max(low, 0)
    high = min(high, dim - 1)
    if low == high { high += 0.001 }
    return plain.enumerated().map { i, frequency in
      let kept = 1 - min(max((Float(i) - Float(low)) / Float(high - low), 0), 1)
      return 1 / (yarn.factor * (1 / frequency)) * (1 - kept) + frequency * kept
    }
  }
}
