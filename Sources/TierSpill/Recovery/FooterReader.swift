/// Reads a segment's footer from the end of its file.
struct FooterReader {
  let segment: Segment
  let store: StoreIdentity
  let lane: any IOLane
  let deadlineMs: Int

  /// What is read at first: the footers of most segments fit.
  static let windowBytes = 64 << 10

  enum Found {
    case footer(SegmentFooter)
    /// None was ever written.
    case none
    /// There was one, or should be.
    case damaged
  }

  func read() throws(SpillError) -> Found {
    let (size, align) = (segment.fileBytes, segment.header.alignBytes)
    // A segment is allocated whole and cut when it is sealed.
    let absent: Found = size < segment.header.segmentBytes ? .damaged : .none
    guard size % align == 0, size >= 2 * align else { return absent }
    let start = max(0, size - max(Self.windowBytes, align))
    guard try lane.read(0..<size - start, of: segment.file, at: start, deadlineMs: deadlineMs) == size - start else {
      return .damaged
    }
    let tail = UnsafeRawBufferPointer(lane.bytes(size - start - SegmentFooter.trailerBytes..<size - start))
    switch SegmentFooter.decodeTrailer(tail, fileBytes: size) {
    case .none: return absent
    case .damaged: return .damaged
    case .trailer(let trailer):
      guard trailer.store == store, trailer.segment == segment.number, trailer.alignBytes == align else {
        return .damaged
      }
      let bytes = size - trailer.extent
      if trailer.extent < start {
        try lane.reserve(bytes)
        guard try lane.read(0..<bytes, of: segment.file, at: trailer.extent, deadlineMs: deadlineMs) == bytes else {
          return .damaged
        }
      }
      let from = max(0, trailer.extent - start)
      guard let footer = SegmentFooter.decode(UnsafeRawBufferPointer(lane.bytes(from..<from + bytes)), trailer) else {
        return .damaged
      }
      return .footer(footer)
    }
  }
}
