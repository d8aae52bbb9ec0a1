import Crypto
public import TierCore

/// The ids of a sequence's full blocks, as its tokens become known. Each id covers all tokens before it, so equal
/// prefixes of one model have equal blocks. The rule is in docs/protocol.md, "Block ids".
public struct BlockChain: Sendable {
  public let fingerprint: ModelFingerprint
  public let layout: BlockLayout
  /// Ids of the full blocks so far, first to last.
  public private(set) var ids: [BlockID] = []
  /// Tokens after the last full block: fewer than `layout.blockTokens`.
  public private(set) var tail: [UInt32] = []

  /// What every block of this model and layout starts with.
  private let prefix: [UInt8]
  private var parent = [UInt8](repeating: 0, count: BlockID.sizeBytes)

  static let domain = Array("tierd block v1\0".utf8)

  public init(fingerprint: ModelFingerprint, layout: BlockLayout) {
    self.fingerprint = fingerprint
    self.layout = layout
    var prefix = Self.domain
    prefix += fingerprint.bytes
    prefix.append(layout.element.rawValue)
    // BlockLayout keeps all three well within 32 bits.
    for dimension in [layout.blockTokens, layout.kvHeads, layout.headDim] {
      prefix.append(littleEndian: UInt32(dimension))
    }
    self.prefix = prefix
  }

  /// Tokens so far, full blocks and tail.
  public var tokenCount: Int { ids.count * layout.blockTokens + tail.count }

  /// Appends `tokens` and returns the ids of the blocks they complete, in order.
  @discardableResult
  public mutating func append(_ tokens: some Sequence<UInt32>) -> [BlockID] {
    let before = ids.count
    for token in tokens {
      tail.append(token)
      if tail.count == layout.blockTokens { close() }
    }
    return Array(ids[before...])
  }

  private mutating func close() {
    var input = prefix
    input.reserveCapacity(prefix.count + parent.count + 4 * tail.count)
    input += parent
    for token in tail { input.append(littleEndian: token) }
    parent = Array(SHA256.hash(data: input))
    // A SHA-256 digest is 32 bytes.
    ids.append(BlockID(bytes: parent)!)
    tail.removeAll(keepingCapacity: true)
  }
}

extension [UInt8] {
  mutating func append(littleEndian value: UInt32) {
    for i in 0..<4 { append(UInt8(truncatingIfNeeded: value >> (8 * UInt32(i)))) }
  }

  mutating func append(littleEndian value: UInt64) {
    for i in 0..<8 { append(UInt8(truncatingIfNeeded: value >> (8 * UInt64(i)))) }
  }

  /// Length in bytes, then UTF-8: no two lists of texts are written alike.
  mutating func append(lengthPrefixed text: String) {
    append(littleEndian: UInt32(text.utf8.count))
    append(contentsOf: text.utf8)
  }
}
