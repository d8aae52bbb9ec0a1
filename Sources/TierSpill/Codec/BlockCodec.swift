import CLZ4
package import TierCore

/// How a record's stored bytes were made of the block's. Raw values are part of the spill format.
package enum CodecID: UInt8, Sendable, Hashable, CaseIterable {
  case raw = 0
  case lz4 = 1
}

/// Turns blocks into stored bytes and back, chosen by what the numbers in the block are. Pure: no I/O, no state.
package enum BlockCodec {
  /// A block is stored as it is unless that saves more than this fraction of it.
  static let leastGain = 64

  /// Encodes into `stored`, which is at least as long as the block. Answers the codec used and the bytes it took,
  /// never more than the block's own.
  package static func encode(
    _ original: UnsafeRawBufferPointer, layout: BlockLayout, into stored: UnsafeMutableRawBufferPointer
  ) -> (codec: CodecID, storedBytes: Int) {
    precondition(original.count == layout.payloadBytes && stored.count >= original.count, "codec buffers")
    let worthwhile = original.count - original.count / leastGain - 1
    if layout.element != .opaque, worthwhile > 0 {
      let bytes = LZ4_compress_default(
        original.baseAddress, stored.baseAddress, Int32(original.count), Int32(worthwhile))
      if bytes > 0 { return (.lz4, Int(bytes)) }
    }
    stored.copyMemory(from: original)
    return (.raw, original.count)
  }

  /// Decodes into `original`, exactly the block's size. False where `stored` is no encoding of so many bytes; the
  /// destination's contents are then undefined. Safe on any input.
  package static func decode(
    _ stored: UnsafeRawBufferPointer, codec: CodecID, layout: BlockLayout, into original: UnsafeMutableRawBufferPointer
  ) -> Bool {
    guard original.count == layout.payloadBytes, stored.count <= original.count else { return false }
    switch codec {
    case .raw:
      guard stored.count == original.count else { return false }
      original.copyMemory(from: stored)
      return true
    case .lz4:
      let bytes = LZ4_decompress_safe(
        stored.baseAddress, original.baseAddress, Int32(stored.count), Int32(original.count))
      return Int(bytes) == original.count
    }
  }
}
