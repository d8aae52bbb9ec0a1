/// The 32-byte identity of a run of tokens in its context: SHA-256 by the rule in docs/protocol.md. Opaque to the
/// daemon, which only compares it.
public struct BlockID: Sendable, Hashable {
  public let a: UInt64, b: UInt64, c: UInt64, d: UInt64

  public static let sizeBytes = 32

  public init(a: UInt64, b: UInt64, c: UInt64, d: UInt64) {
    self.a = a
    self.b = b
    self.c = c
    self.d = d
  }

  /// From exactly 32 bytes, as SHA-256 prints them; nil at any other length.
  public init?(bytes: some Collection<UInt8>) {
    guard bytes.count == Self.sizeBytes else { return nil }
    var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    for (i, byte) in bytes.enumerated() {
      let shifted = UInt64(byte) << (56 - 8 * UInt64(i % 8))
      switch i / 8 {
      case 0: words.0 |= shifted
      case 1: words.1 |= shifted
      case 2: words.2 |= shifted
      default: words.3 |= shifted
      }
    }
    self.init(a: words.0, b: words.1, c: words.2, d: words.3)
  }

  public var bytes: [UInt8] {
    [a, b, c, d].flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> (56 - 8 * $0)) } }
  }
}

/// Whose bytes: nothing is shared or inferred across tenants. By default the peer's uid.
public struct TenantID: Sendable, Hashable {
  public let rawValue: UInt32
  public init(_ rawValue: UInt32) { self.rawValue = rawValue }
}

/// What the directory and the spill know a block by: K and V of one layer for one run of tokens of one tenant.
public struct BlockKey: Sendable, Hashable {
  public let tenant: TenantID
  public let id: BlockID
  public let layer: UInt16

  public init(tenant: TenantID, id: BlockID, layer: UInt16) {
    self.tenant = tenant
    self.id = id
    self.layer = layer
  }
}
