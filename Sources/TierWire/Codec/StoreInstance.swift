/// Tells one run of a store from another: 16 random bytes. What a client learned from one instance (arenas, leases,
/// named blocks) means nothing to the next.
public struct StoreInstance: Sendable, Hashable, CustomStringConvertible {
  public let high: UInt64
  public let low: UInt64

  public static let sizeBytes = 16

  /// A new one.
  public init() {
    var source = SystemRandomNumberGenerator()
    self.init(high: source.next(), low: source.next())
  }

  public init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// From exactly 16 bytes; nil at any other length.
  public init?(bytes: [UInt8]) {
    guard bytes.count == Self.sizeBytes else { return nil }
    self.init(
      high: bytes[..<8].reduce(0) { $0 << 8 | UInt64($1) }, low: bytes[8...].reduce(0) { $0 << 8 | UInt64($1) })
  }

  public var bytes: [UInt8] {
    [high, low].flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> (56 - 8 * $0)) } }
  }

  /// 32 hexadecimal digits.
  public var description: String {
    bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
  }
}
