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
  }

  /// The base of the geometric series of wavelengths.
  public let theta: Float
  public let scaling: Scaling

  public init(theta: Float, scaling: Scaling) {
    self.theta = theta
    self.scaling = scaling
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
}
