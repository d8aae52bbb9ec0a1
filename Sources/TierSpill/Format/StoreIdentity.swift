import Glibc

/// Which store a segment belongs to: 128 random bits, drawn when the directory is first used. Kept in the file `store`
/// and in every segment and record header, so that a segment copied from elsewhere is not mistaken for our own, and a
/// block's content cannot pose as a record.
package struct StoreIdentity: Sendable, Hashable {
  package let high: UInt64
  package let low: UInt64

  package static let fileName = "store"
  static let magic: UInt64 = 0x3152_4f54_5344_5254  // "TRDSTOR1"
  static let version: UInt16 = 1
  static let headerBytes = 40

  package init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// Drawn from the kernel's random source.
  package static func random() -> StoreIdentity {
    var source = SystemRandomNumberGenerator()
    return StoreIdentity(high: source.next(), low: source.next())
  }

  func encode(into bytes: UnsafeMutableRawBufferPointer) {
    let fields = FieldWriter(bytes: bytes)
    fields.put(Self.magic, at: 0)
    fields.put(Self.version, at: 8)
    fields.put(UInt16(Self.headerBytes), at: 10)
    fields.put(UInt32(0), at: 12)
    fields.put(high, at: 16)
    fields.put(low, at: 24)
    fields.put(Checksum.of(UnsafeRawBufferPointer(rebasing: bytes[..<32])), at: 32)
  }

  /// Nil where the bytes are damaged or of a later version: the segments then say whose they are.
  static func decode(_ bytes: UnsafeRawBufferPointer) -> StoreIdentity? {
    guard bytes.count >= headerBytes else { return nil }
    let fields = FieldReader(bytes: bytes)
    guard fields.get(UInt64.self, at: 0) == magic, fields.get(UInt16.self, at: 8) == version,
      fields.get(UInt64.self, at: 32) == Checksum.of(UnsafeRawBufferPointer(rebasing: bytes[..<32]))
    else { return nil }
    return StoreIdentity(high: fields.get(UInt64.self, at: 16), low: fields.get(UInt64.self, at: 24))
  }
}
