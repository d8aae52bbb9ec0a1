/// The first `alignBytes` of a segment file. Layout: docs/spill-format.md, "Segment header".
package struct SegmentHeader: Sendable, Hashable {
  package let store: StoreIdentity
  /// Counts up within a store; also the file's name.
  package let number: UInt64
  /// The file's size as preallocated.
  package let segmentBytes: Int
  /// Every generation given out before the segment was made is below this: known without reading a record.
  package let firstGeneration: UInt64
  /// Records start at multiples of this: 512, or the device's direct-I/O unit where that is larger.
  package let alignBytes: Int

  static let magic: UInt64 = 0x3147_4553_4c50_5354  // "TSPLSEG1"
  static let version: UInt16 = 1
  static let headerBytes = 64

  package enum Parsed: Sendable, Hashable {
    case header(SegmentHeader)
    /// A version this program does not know: to be left alone.
    case newer(version: Int)
    case damaged
  }

  func encode(into bytes: UnsafeMutableRawBufferPointer) {
    let fields = FieldWriter(bytes: bytes)
    fields.put(Self.magic, at: 0)
    fields.put(Self.version, at: 8)
    fields.put(UInt16(Self.headerBytes), at: 10)
    fields.put(UInt32(alignBytes), at: 12)
    fields.put(store.high, at: 16)
    fields.put(store.low, at: 24)
    fields.put(number, at: 32)
    fields.put(UInt64(segmentBytes), at: 40)
    fields.put(firstGeneration, at: 48)
    fields.put(Checksum.of(UnsafeRawBufferPointer(rebasing: bytes[..<56])), at: 56)
  }

  package static func decode(_ bytes: UnsafeRawBufferPointer) -> Parsed {
    guard bytes.count >= headerBytes else { return .damaged }
    let fields = FieldReader(bytes: bytes)
    guard fields.get(UInt64.self, at: 0) == magic,
      fields.get(UInt64.self, at: 56) == Checksum.of(UnsafeRawBufferPointer(rebasing: bytes[..<56]))
    else { return .damaged }
    let found = fields.get(UInt16.self, at: 8)
    guard found == version else { return found > version ? .newer(version: Int(found)) : .damaged }
    let align = Int(fields.get(UInt32.self, at: 12))
    let size = fields.get(UInt64.self, at: 40)
    guard align >= RecordHeader.leastAlignBytes, align <= RecordHeader.mostAlignBytes, align & (align - 1) == 0,
      size <= UInt64(SegmentSize.saneBytes)
    else { return .damaged }
    return .header(
      SegmentHeader(
        store: StoreIdentity(high: fields.get(UInt64.self, at: 16), low: fields.get(UInt64.self, at: 24)),
        number: fields.get(UInt64.self, at: 32), segmentBytes: Int(size),
        firstGeneration: fields.get(UInt64.self, at: 48), alignBytes: align))
  }
}

/// Names of segment files: sixteen hexadecimal digits of the number, and a suffix.
package enum SegmentName {
  package static let suffix = ".segment"
  /// While its header is being written; removed at start when found.
  package static let unfinishedSuffix = ".segment.new"

  package static func of(_ number: UInt64) -> String {
    let digits = String(number, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits + suffix
  }

  package static func unfinished(_ number: UInt64) -> String { of(number) + ".new" }

  /// Nil where the name is not exactly as `of` writes it.
  package static func number(of name: String) -> UInt64? {
    guard name.hasSuffix(suffix), let number = UInt64(name.dropLast(suffix.count), radix: 16), of(number) == name
    else { return nil }
    return number
  }
}
