/// How the bytes of one block lie in its slot: K then V, each `[kvHead][token][headDim]`, little-endian;
/// K after rope, in rotate-half order. See docs/protocol.md, "Slots".
public struct BlockLayout: Sendable, Hashable {
  public let element: ElementType
  public let kvHeads: Int
  public let headDim: Int
  /// Tokens in one block, at most `maxBlockTokens`.
  public let blockTokens: Int

  /// Memory is handed out and given back in pages; a slot is a whole number of them.
  public static let pageBytes = 4096
  public static let maxSlotBytes = 64 << 20
  public static let maxBlockTokens = 1 << 16

  /// Nil where a dimension is not positive or the slot would exceed `maxSlotBytes`.
  public init?(element: ElementType, kvHeads: Int, headDim: Int, blockTokens: Int) {
    guard kvHeads > 0, headDim > 0, blockTokens > 0, blockTokens <= Self.maxBlockTokens else { return nil }
    let (perToken, o1) = kvHeads.multipliedReportingOverflow(by: headDim)
    let (elements, o2) = perToken.multipliedReportingOverflow(by: blockTokens * 2)
    let (bytes, o3) = elements.multipliedReportingOverflow(by: element.sizeBytes)
    guard !o1, !o2, !o3, bytes <= Self.maxSlotBytes else { return nil }
    self.element = element
    self.kvHeads = kvHeads
    self.headDim = headDim
    self.blockTokens = blockTokens
  }

  /// A weight shard of `byteCount` bytes, rounded up to whole pages: a page is two halves of one token.
  public static func weights(byteCount: Int) -> BlockLayout? {
    let pages = byteCount / pageBytes + (byteCount % pageBytes == 0 ? 0 : 1)
    return BlockLayout(element: .weights, kvHeads: 1, headDim: pageBytes / 2, blockTokens: pages)
  }

  /// Whether a block may go without being anywhere else: who wants it again fills it again.
  public var isDroppable: Bool { element == .weights }

  /// Bytes of K alone, which are also the offset of V in the slot.
  public var keyBytes: Int { kvHeads * blockTokens * headDim * element.sizeBytes }
  /// Bytes of K and V: what is checksummed, compressed and verified.
  public var payloadBytes: Int { 2 * keyBytes }
  /// Bytes a slot takes in an arena: the payload rounded up to whole pages.
  public var slotBytes: Int { (payloadBytes + Self.pageBytes - 1) / Self.pageBytes * Self.pageBytes }
}
