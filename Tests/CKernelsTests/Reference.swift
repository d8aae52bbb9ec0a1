import Glibc

/// Relative to the larger of the two and 1.
func near(_ value: Float, _ expected: Double, _ tolerance: Double) -> Bool {
  (Double(value) - expected).magnitude <= tolerance * max(1, expected.magnitude)
}

func exponential(_ x: Double) -> Double { exp(x) }
func cosine(_ x: Float) -> Float { Float(cos(Double(x))) }
