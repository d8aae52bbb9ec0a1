package import TierCore

/// What precedes the stored bytes of every block, so that a record describes itself: what it is, where it belongs, and
/// how to know that it is whole. Layout: docs/spill-format.md, "Record".
package struct RecordHeader: Sendable, Hashable {
  package var key: BlockKey
  package var layout: BlockLayout
  package var codec: CodecID
  /// Bytes after the header, before padding.
  package var storedBytes: Int
  /// Header, stored bytes and padding: to the unit of direct I/O, and where a write ends to the file system's block.
  package var recordBytes: Int
  /// Counts up over the store's life; a record that moves keeps it.
  package var generation: UInt64
  package var store: StoreIdentity
  package var segment: UInt64
  /// Where in the segment file the record starts: a misdirected write is known by it.
  package var offset: Int
  /// What was durable in the segment when this record was written: damage before it is damage, after it a torn tail.
  package var durableExtent: Int
  package var storedChecksum: UInt64
  package var originalChecksum: UInt64

  package static let leastAlignBytes = 512
  package static let mostAlignBytes = 65536
  package static let headerBytes = 160
  static let magic: UInt64 = 0x3143_4552_4c50_5354  // "TSPLREC1"
  static let version: UInt16 = 1

  /// Bytes of file for a record with so many stored bytes, at least.
  static func recordBytes(stored: Int, alignBytes: Int) -> Int { (headerBytes + stored).roundedUp(to: alignBytes) }

  /// The stored bytes in a whole record.
  static func stored(of header: RecordHeader, in record: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: record[headerBytes..<headerBytes + header.storedBytes])
  }

  package func encode(into bytes: UnsafeMutableRawBufferPointer) {
    let fields = FieldWriter(bytes: bytes)
    fields.put(Self.magic, at: 0)
    fields.put(Self.version, at: 8)
    fields.put(UInt16(Self.headerBytes), at: 10)
    fields.put(codec.rawValue, at: 12)
    fields.put(layout.element.rawValue, at: 13)
    fields.put(key.layer, at: 14)
    fields.put(key.tenant.rawValue, at: 16)
    fields.put(UInt32(layout.kvHeads), at: 20)
    fields.put(UInt32(layout.headDim), at: 24)
    fields.put(UInt32(layout.blockTokens), at: 28)
    fields.put(UInt32(layout.payloadBytes), at: 32)
    fields.put(UInt32(storedBytes), at: 36)
    fields.put(UInt32(recordBytes), at: 40)
    fields.put(UInt32(0), at: 44)
    fields.put(key.id, at: 48)
    fields.put(generation, at: 80)
    fields.put(store.high, at: 88)
    fields.put(store.low, at: 96)
    fields.put(segment, at: 104)
    fields.put(UInt64(offset), at: 112)
    fields.put(UInt64(durableExtent), at: 120)
    fields.put(storedChecksum, at: 128)
    fields.put(originalChecksum, at: 136)
    fields.put(UInt64(0), at: 144)
    fields.put(Checksum.of(UnsafeRawBufferPointer(rebasing: bytes[..<152])), at: 152)
  }

  /// Nil unless the header verifies and every length in it is consistent and fits `limitBytes` of file.
  package static func decode(_ bytes: UnsafeRawBufferPointer, limitBytes: Int, alignBytes: Int) -> RecordHeader? {
    guard bytes.count >= headerBytes else { return nil }
    let fields = FieldReader(bytes: bytes)
    guard fields.get(UInt64.self, at: 0) == magic, fields.get(UInt16.self, at: 8) == version,
      fields.get(UInt16.self, at: 10) == UInt16(headerBytes),
      fields.get(UInt64.self, at: 152) == Checksum.of(UnsafeRawBufferPointer(rebasing: bytes[..<152])),
      let codec = CodecID(rawValue: fields.get(UInt8.self, at: 12)),
      let element = ElementType(rawValue: fields.get(UInt8.self, at: 13)),
      let layout = BlockLayout(
        element: element, kvHeads: Int(fields.get(UInt32.self, at: 20)), headDim: Int(fields.get(UInt32.self, at: 24)),
        blockTokens: Int(fields.get(UInt32.self, at: 28)))
    else { return nil }
    let stored = Int(fields.get(UInt32.self, at: 36))
    let record = Int(fields.get(UInt32.self, at: 40))
    let offset = fields.get(UInt64.self, at: 112)
    let durable = fields.get(UInt64.self, at: 120)
    guard layout.payloadBytes == Int(fields.get(UInt32.self, at: 32)), stored > 0, stored <= layout.payloadBytes,
      record % alignBytes == 0, record <= limitBytes,
      (0..<mostAlignBytes).contains(record - recordBytes(stored: stored, alignBytes: alignBytes)),
      offset <= UInt64(SegmentSize.saneBytes), durable <= offset
    else { return nil }
    return RecordHeader(
      key: BlockKey(
        tenant: TenantID(fields.get(UInt32.self, at: 16)), id: fields.blockID(at: 48),
        layer: fields.get(UInt16.self, at: 14)),
      layout: layout, codec: codec, storedBytes: stored, recordBytes: record,
      generation: fields.get(UInt64.self, at: 80),
      store: StoreIdentity(high: fields.get(UInt64.self, at: 88), low: fields.get(UInt64.self, at: 96)),
      segment: fields.get(UInt64.self, at: 104), offset: Int(offset), durableExtent: Int(durable),
      storedChecksum: fields.get(UInt64.self, at: 128), originalChecksum: fields.get(UInt64.self, at: 136))
  }
}
