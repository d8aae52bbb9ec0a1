package import TierCore

/// The end of a sealed segment: what records it has and where, so that recovery need not read them. Layout:
/// docs/spill-format.md, "Footer".
package struct SegmentFooter: Sendable, Hashable {
  package var store: StoreIdentity
  package var segment: UInt64
  package var alignBytes: Int
  /// Where the records end and the footer begins.
  package var extent: Int
  package var highestGeneration: UInt64
  package var entries: [FooterEntry]

  static let magic: UInt64 = 0x3144_4e45_4c50_5354  // "TSPLEND1"
  static let version: UInt16 = 1
  package static let trailerBytes = 128

  /// Bytes of file that a footer of so many entries takes.
  package static func fileBytes(entries: Int, alignBytes: Int) -> Int {
    (entries * FooterEntry.bytes + trailerBytes).roundedUp(to: alignBytes)
  }

  var fileBytes: Int { Self.fileBytes(entries: entries.count, alignBytes: alignBytes) }

  /// `bytes` is exactly `fileBytes` long: entries at its start, the trailer at its end, zeros between.
  package func encode(into bytes: UnsafeMutableRawBufferPointer) {
    precondition(bytes.count == fileBytes, "a footer's size follows from its entries")
    bytes.initializeMemory(as: UInt8.self, repeating: 0)
    for (i, entry) in entries.enumerated() {
      entry.encode(
        into: UnsafeMutableRawBufferPointer(rebasing: bytes[i * FooterEntry.bytes..<(i + 1) * FooterEntry.bytes]))
    }
    let table = UnsafeRawBufferPointer(rebasing: bytes[..<(entries.count * FooterEntry.bytes)])
    let trailer = UnsafeMutableRawBufferPointer(rebasing: bytes[(bytes.count - Self.trailerBytes)...])
    let fields = FieldWriter(bytes: trailer)
    fields.put(Self.magic, at: 0)
    fields.put(Self.version, at: 8)
    fields.put(UInt16(Self.trailerBytes), at: 10)
    fields.put(UInt32(alignBytes), at: 12)
    fields.put(store.high, at: 16)
    fields.put(store.low, at: 24)
    fields.put(segment, at: 32)
    fields.put(UInt64(extent), at: 40)
    fields.put(UInt32(entries.count), at: 48)
    fields.put(UInt32(FooterEntry.bytes), at: 52)
    fields.put(highestGeneration, at: 56)
    fields.put(Checksum.of(table), at: 64)
    fields.put(Checksum.of(UnsafeRawBufferPointer(rebasing: trailer[..<120])), at: 120)
  }

  /// What the last `trailerBytes` of a file say of the footer before them.
  package struct Trailer: Sendable, Hashable {
    let store: StoreIdentity
    let segment: UInt64
    let alignBytes: Int
    package let extent: Int
    package let count: Int
    let highestGeneration: UInt64
    let tableChecksum: UInt64
  }

  package enum ParsedTrailer: Sendable, Hashable {
    case trailer(Trailer)
    /// The file does not end in a footer: it was being written, or cut.
    case none
    /// It did end in one, which does not verify.
    case damaged
  }

  /// Safe on any input; nothing that does not fit a file of `fileBytes` comes out.
  package static func decodeTrailer(_ bytes: UnsafeRawBufferPointer, fileBytes size: Int) -> ParsedTrailer {
    guard bytes.count == trailerBytes else { return .none }
    let fields = FieldReader(bytes: bytes)
    guard fields.get(UInt64.self, at: 0) == magic else { return .none }
    guard fields.get(UInt64.self, at: 120) == Checksum.of(UnsafeRawBufferPointer(rebasing: bytes[..<120])),
      fields.get(UInt16.self, at: 8) == version, fields.get(UInt16.self, at: 10) == UInt16(trailerBytes),
      fields.get(UInt32.self, at: 52) == UInt32(FooterEntry.bytes)
    else { return .damaged }
    let align = Int(fields.get(UInt32.self, at: 12))
    let extent = fields.get(UInt64.self, at: 40)
    let count = Int(fields.get(UInt32.self, at: 48))
    guard align >= RecordHeader.leastAlignBytes, align <= RecordHeader.mostAlignBytes, align & (align - 1) == 0,
      extent >= UInt64(align), extent <= UInt64(SegmentSize.saneBytes), Int(extent) % align == 0,
      count <= SegmentSize.saneBytes / RecordHeader.leastAlignBytes,
      Int(extent) + Self.fileBytes(entries: count, alignBytes: align) == size
    else { return .damaged }
    return .trailer(
      Trailer(
        store: StoreIdentity(high: fields.get(UInt64.self, at: 16), low: fields.get(UInt64.self, at: 24)),
        segment: fields.get(UInt64.self, at: 32), alignBytes: align, extent: Int(extent), count: count,
        highestGeneration: fields.get(UInt64.self, at: 56), tableChecksum: fields.get(UInt64.self, at: 64)))
  }

  /// The footer whose trailer was decoded, from the bytes between `extent` and the file's end. Nil unless the table
  /// verifies and its records lie one after the other between the segment's header and the footer.
  package static func decode(_ bytes: UnsafeRawBufferPointer, _ trailer: Trailer) -> SegmentFooter? {
    let tableBytes = trailer.count * FooterEntry.bytes
    guard bytes.count >= tableBytes + trailerBytes else { return nil }
    let table = UnsafeRawBufferPointer(rebasing: bytes[..<tableBytes])
    guard Checksum.of(table) == trailer.tableChecksum else { return nil }
    var entries: [FooterEntry] = []
    entries.reserveCapacity(trailer.count)
    var end = trailer.alignBytes
    for i in 0..<trailer.count {
      let row = UnsafeRawBufferPointer(rebasing: table[i * FooterEntry.bytes..<(i + 1) * FooterEntry.bytes])
      guard let entry = FooterEntry.decode(row), entry.offset >= end, entry.offset % trailer.alignBytes == 0,
        entry.recordBytes % trailer.alignBytes == 0, entry.recordBytes > RecordHeader.headerBytes,
        entry.offset <= trailer.extent - entry.recordBytes, entry.generation <= trailer.highestGeneration
      else { return nil }
      end = entry.offset + entry.recordBytes
      entries.append(entry)
    }
    return SegmentFooter(
      store: trailer.store, segment: trailer.segment, alignBytes: trailer.alignBytes, extent: trailer.extent,
      highestGeneration: trailer.highestGeneration, entries: entries)
  }
}

/// One record, as a footer lists it.
package struct FooterEntry: Sendable, Hashable {
  package var key: BlockKey
  package var layout: BlockLayout
  package var offset: Int
  package var recordBytes: Int
  package var generation: UInt64
  package var originalChecksum: UInt64

  package static let bytes = 80

  init(_ header: RecordHeader) {
    self.init(
      key: header.key, layout: header.layout, offset: header.offset, recordBytes: header.recordBytes,
      generation: header.generation, originalChecksum: header.originalChecksum)
  }

  package init(
    key: BlockKey, layout: BlockLayout, offset: Int, recordBytes: Int, generation: UInt64, originalChecksum: UInt64
  ) {
    self.key = key
    self.layout = layout
    self.offset = offset
    self.recordBytes = recordBytes
    self.generation = generation
    self.originalChecksum = originalChecksum
  }

  func encode(into bytes: UnsafeMutableRawBufferPointer) {
    let fields = FieldWriter(bytes: bytes)
    fields.put(key.id, at: 0)
    fields.put(generation, at: 32)
    fields.put(originalChecksum, at: 40)
    fields.put(UInt32(offset), at: 48)
    fields.put(UInt32(recordBytes), at: 52)
    fields.put(key.tenant.rawValue, at: 56)
    fields.put(key.layer, at: 60)
    fields.put(layout.element.rawValue, at: 62)
    fields.put(UInt8(0), at: 63)
    fields.put(UInt32(layout.kvHeads), at: 64)
    fields.put(UInt32(layout.headDim), at: 68)
    fields.put(UInt32(layout.blockTokens), at: 72)
    fields.put(UInt32(0), at: 76)
  }

  static func decode(_ bytes: UnsafeRawBufferPointer) -> FooterEntry? {
    let fields = FieldReader(bytes: bytes)
    guard let element = ElementType(rawValue: fields.get(UInt8.self, at: 62)),
      let layout = BlockLayout(
        element: element, kvHeads: Int(fields.get(UInt32.self, at: 64)), headDim: Int(fields.get(UInt32.self, at: 68)),
        blockTokens: Int(fields.get(UInt32.self, at: 72)))
    else { return nil }
    return FooterEntry(
      key: BlockKey(
        tenant: TenantID(fields.get(UInt32.self, at: 56)), id: fields.blockID(at: 0),
        layer: fields.get(UInt16.self, at: 60)),
      layout: layout, offset: Int(fields.get(UInt32.self, at: 48)), recordBytes: Int(fields.get(UInt32.self, at: 52)),
      generation: fields.get(UInt64.self, at: 32), originalChecksum: fields.get(UInt64.self, at: 40))
  }
}
