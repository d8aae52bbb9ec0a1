import CSpillCodec
package import TierCore

/// How a record's stored bytes were made of the block's. Raw values are part of the spill format.
package enum CodecID: UInt8, Sendable, Hashable, CaseIterable {
  case raw = 0
  /// The bit-plane transform with sparse and LZ4 planes.
  case planes = 2
}

/// Turns blocks into stored bytes and back, chosen by what the numbers in the block are. Pure: no I/O, no state.
package enum BlockCodec {
  /// A block is stored as it is unless that saves more than this fraction of it.
  static let leastGain = 64
  /// Channels of fewer tokens have nothing in common to gain from.
  static let leastTokens = 32

  /// Scratch memory that encoding or decoding a block takes.
  package static func scratchBytes(_ layout: BlockLayout) -> Int {
    guard var shape = planesShape(layout) else { return 0 }
    return tier_planes_scratch_bytes(&shape)
  }

  /// Encodes into `stored`, which is at least as long as the block. Answers the codec used and the bytes it took,
  /// never more than the block's own.
  package static func encode(
    _ original: UnsafeRawBufferPointer, layout: BlockLayout, into stored: UnsafeMutableRawBufferPointer,
    scratch: UnsafeMutableRawBufferPointer
  ) -> (codec: CodecID, storedBytes: Int) {
    precondition(
      original.count == layout.payloadBytes && stored.count >= original.count
        && scratch.count >= scratchBytes(layout), "codec buffers")
    if var shape = planesShape(layout) {
      let worthwhile = original.count - original.count / leastGain - 1
      let bytes = tier_planes_encode(
        &shape, original.baseAddress, stored.baseAddress, worthwhile, scratch.baseAddress)
      if bytes > 0 { return (.planes, bytes) }
    }
    stored.copyMemory(from: original)
    return (.raw, original.count)
  }

  /// Decodes into `original`, exactly the block's size. False where `stored` is no encoding of so many bytes; the
  /// destination's contents are then undefined. Safe on any input.
  package static func decode(
    _ stored: UnsafeRawBufferPointer, codec: CodecID, layout: BlockLayout, into original: UnsafeMutableRawBufferPointer,
    scratch: UnsafeMutableRawBufferPointer
  ) -> Bool {
    guard original.count == layout.payloadBytes, stored.count <= original.count else { return false }
    switch codec {
    case .raw:
      guard stored.count == original.count else { return false }
      original.copyMemory(from: stored)
      return true
    case .planes:
      guard var shape = planesShape(layout), scratch.count >= scratchBytes(layout) else { return false }
      return tier_planes_decode(
        &shape, stored.baseAddress, stored.count, original.baseAddress, scratch.baseAddress) != 0
    }
  }

  /// The transform's view of a layout; nil where its numbers are not known or too few.
  private static func planesShape(_ layout: BlockLayout) -> tier_planes_shape? {
    guard layout.blockTokens >= leastTokens else { return nil }
    let (bits, exponentBits): (UInt32, UInt32)
    switch layout.element {
    case .bf16: (bits, exponentBits) = (16, 8)
    case .f16: (bits, exponentBits) = (16, 5)
    case .f32: (bits, exponentBits) = (32, 8)
    case .opaque, .weights: return nil
    }
    return tier_planes_shape(
      matrices: UInt32(2 * layout.kvHeads), tokens: UInt32(layout.blockTokens), channels: UInt32(layout.headDim),
      bits: bits, exponent_bits: exponentBits)
  }
}
