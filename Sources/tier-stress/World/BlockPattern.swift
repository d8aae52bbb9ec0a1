import TierCore

/// The bytes of a block, which derive from its id and layer alone: whoever reads a block knows what must be in it.
struct BlockPattern {
  private var state: UInt64
  private let mask: UInt64
  private let base: UInt64

  init(_ id: BlockID, layer: Int) {
    state = Self.mixed(id.a) ^ Self.mixed(id.b &+ 0x51) ^ Self.mixed(id.c &+ 0xA7) ^ Self.mixed(id.d &+ 0xD3)
    state = Self.mixed(state &+ UInt64(layer) &* 0x9E37_79B9_7F4A_7C15)
    // A third is noise, a third has exponents as real KV has, a third compresses to almost nothing.
    (mask, base) =
      switch id.b % 3 {
      case 0: (.max, 0)
      case 1: (0x81FF_81FF_81FF_81FF, 0x3C00_3C00_3C00_3C00)
      default: (0x0003_0000_0000_0001, 0x3F80_3F80_3F80_3F80)
      }
  }

  mutating func fill(_ bytes: UnsafeMutableRawBufferPointer) {
    for offset in stride(from: 0, to: bytes.count, by: 8) {
      let word = next()
      withUnsafeBytes(of: word) { source in
        for i in 0..<min(8, bytes.count - offset) { bytes[offset + i] = source[i] }
      }
    }
  }

  /// Where the bytes differ from what they must be; nil where they do not.
  mutating func firstDifference(in bytes: UnsafeRawBufferPointer) -> Int? {
    let whole = bytes.count / 8 * 8
    for offset in stride(from: 0, to: whole, by: 8) {
      if bytes.load(fromByteOffset: offset, as: UInt64.self) != next() { return offset }
    }
    guard whole < bytes.count else { return nil }
    let last = next()
    let isRight = withUnsafeBytes(of: last) { expected in
      (whole..<bytes.count).allSatisfy { bytes[$0] == expected[$0 - whole] }
    }
    return isRight ? nil : whole
  }

  private mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    return Self.mixed(state) & mask | base
  }

  /// SplitMix64's finisher. Here, and not TierTesting's, so that it is inlined: it runs for each word.
  private static func mixed(_ value: UInt64) -> UInt64 {
    var z = value
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
