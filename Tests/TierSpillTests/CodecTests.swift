import CSpillCodec
import CXXHash
import Testing
import TierCore
import TierSpill
import TierTesting

/// The block transform: lossless, safe on any input, and the same bytes at every instruction set.
@Suite(.serialized)
struct CodecTests {
  /// Shapes that fit vectors, and ones that do not.
  static let layouts: [BlockLayout] = [
    BlockLayout(element: .bf16, kvHeads: 3, headDim: 64, blockTokens: 256)!,
    BlockLayout(element: .f16, kvHeads: 2, headDim: 128, blockTokens: 64)!,
    BlockLayout(element: .f32, kvHeads: 1, headDim: 64, blockTokens: 128)!,
    BlockLayout(element: .bf16, kvHeads: 1, headDim: 13, blockTokens: 77)!,
    BlockLayout(element: .f16, kvHeads: 3, headDim: 33, blockTokens: 301)!,
    BlockLayout(element: .f32, kvHeads: 2, headDim: 7, blockTokens: 45)!,
    BlockLayout(element: .bf16, kvHeads: 1, headDim: 1, blockTokens: 1000)!,
  ]

  enum Content: CaseIterable { case activations, zeros, noise, extremes }

  @Test(arguments: layouts, Content.allCases)
  func everyLevelGivesTheSameBytesAndLosesNothing(layout: BlockLayout, content: Content) {
    let block = Self.block(layout, content, seed: 1)
    var first: [UInt8]?
    for level in Self.levels {
      tier_planes_limit_level(level)
      defer { tier_planes_limit_level(-1) }
      let (codec, stored) = Self.encode(block, layout)
      #expect(stored.count <= block.count)
      #expect(first == nil || first! == stored, "level \(level)")
      first = stored
      #expect(Self.decode(stored, codec, layout) == block, "level \(level)")
    }
  }

  @Test func activationsShrinkAndNoiseStaysRaw() {
    let layout = Self.layouts[0]
    let (codec, stored) = Self.encode(Self.block(layout, .activations, seed: 2), layout)
    #expect(codec == .planes)
    #expect(Double(layout.payloadBytes) / Double(stored.count) > 1.3)
    #expect(Self.encode(Self.block(layout, .noise, seed: 2), layout).codec == .raw)
  }

  @Test func opaqueBytesAndShortBlocksStayRaw() {
    let opaque = BlockLayout(element: .opaque, kvHeads: 1, headDim: 64, blockTokens: 256)!
    let short = BlockLayout(element: .bf16, kvHeads: 1, headDim: 64, blockTokens: 16)!
    for layout in [opaque, short] {
      let (codec, stored) = Self.encode([UInt8](repeating: 0, count: layout.payloadBytes), layout)
      #expect(codec == .raw && stored.count == layout.payloadBytes)
    }
  }

  /// Whatever is done to stored bytes, decoding ends and stays inside its buffers.
  @Test(arguments: levels)
  func damagedBytesAreSafe(level: Int32) {
    tier_planes_limit_level(level)
    defer { tier_planes_limit_level(-1) }
    var random = SeededRandom(seed: UInt64(level) + 9)
    for layout in Self.layouts[3...] {
      let (codec, stored) = Self.encode(Self.block(layout, .activations, seed: 3), layout)
      for _ in 0..<300 {
        var damaged = stored
        for _ in 0...random.next(below: 4) {
          // Mostly in the prefix, where the lengths are.
          let range = random.next(below: 2) == 0 ? min(damaged.count, 400) : damaged.count
          damaged[random.next(below: range)] = UInt8(truncatingIfNeeded: random.next())
        }
        if random.next(below: 3) == 0 { damaged.removeLast(random.next(below: damaged.count)) }
        _ = Self.decode(damaged, codec, layout)
      }
    }
  }

  @Test func theChecksumIsXXH3() {
    let bytes = (0..<5000).map { UInt8(truncatingIfNeeded: $0 * 31) }
    for count in [0, 1, 3, 8, 16, 17, 128, 129, 240, 241, 1024, 4096, 5000] {
      bytes.prefix(count).withUnsafeBytes { #expect(Checksum.of($0) == XXH3_64bits($0.baseAddress, count)) }
    }
  }

  private static var levels: [Int32] { Array(0...tier_planes_level()) }

  private static func encode(_ block: [UInt8], _ layout: BlockLayout) -> (codec: CodecID, stored: [UInt8]) {
    var stored = [UInt8](repeating: 0, count: block.count)
    var scratch = [UInt8](repeating: 0x5a, count: BlockCodec.scratchBytes(layout))
    let (codec, count) = block.withUnsafeBytes { original in
      stored.withUnsafeMutableBytes { stored in
        scratch.withUnsafeMutableBytes {
          BlockCodec.encode(original, layout: layout, into: stored, scratch: $0)
        }
      }
    }
    return (codec, Array(stored.prefix(count)))
  }

  private static func decode(_ stored: [UInt8], _ codec: CodecID, _ layout: BlockLayout) -> [UInt8]? {
    var block = [UInt8](repeating: 0x33, count: layout.payloadBytes)
    var scratch = [UInt8](repeating: 0xa5, count: BlockCodec.scratchBytes(layout))
    let isGood = stored.withUnsafeBytes { stored in
      block.withUnsafeMutableBytes { block in
        scratch.withUnsafeMutableBytes {
          BlockCodec.decode(stored, codec: codec, layout: layout, into: block, scratch: $0)
        }
      }
    }
    return isGood ? block : nil
  }

  /// Something like K and V: each channel has a scale and a bias of its own.
  static func block(_ layout: BlockLayout, _ content: Content, seed: UInt64) -> [UInt8] {
    var random = SeededRandom(seed: seed)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(layout.payloadBytes)
    for _ in 0..<2 * layout.kvHeads {
      let scales = (0..<layout.headDim).map { _ in Float(random.next(below: 1000)) / 200 + 0.01 }
      for _ in 0..<layout.blockTokens {
        for channel in 0..<layout.headDim {
          let bits = random.next()
          let value: Float
          switch content {
          case .activations:
            // A sum of uniform numbers is near enough to a normal one.
            let sum = (0..<4).reduce(Float(0)) { $0 + Float(bits >> (16 * UInt64($1)) & 0xffff) / 65536 } - 2
            value = scales[channel] * (sum + (channel % 3 == 0 ? 1 : 0))
          case .zeros: value = 0
          case .noise: value = Float(bitPattern: UInt32(truncatingIfNeeded: bits))
          case .extremes:
            let all: [Float] = [
              0, -0.0, .infinity, -.infinity, .nan, .leastNonzeroMagnitude, .greatestFiniteMagnitude, 1,
            ]
            value = all[Int(bits % 8)]
          }
          append(value, layout.element, bits, content, &bytes)
        }
      }
    }
    return bytes
  }

  private static func append(
    _ value: Float, _ element: ElementType, _ bits: UInt64, _ content: Content, _ bytes: inout [UInt8]
  ) {
    let pattern: UInt32
    switch element {
    case .f32: pattern = value.bitPattern
    case .bf16: pattern = value.bitPattern >> 16
    case .f16: pattern = content == .noise ? UInt32(bits & 0xffff) : halfPattern(value)
    case .opaque, .weights: pattern = value.bitPattern >> 24
    }
    for i in 0..<element.sizeBytes { bytes.append(UInt8(truncatingIfNeeded: pattern >> (8 * UInt32(i)))) }
  }

  private static func halfPattern(_ value: Float) -> UInt32 {
    let bits = value.bitPattern
    let exponent = Int(bits >> 23 & 0xff) - 112
    let sign = bits >> 16 & 0x8000
    if exponent <= 0 { return sign }
    return sign | (exponent >= 31 ? 0x7c00 : UInt32(exponent) << 10 | bits >> 13 & 0x3ff)
  }
}
