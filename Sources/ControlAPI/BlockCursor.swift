public import TierCore

/// A place in the order of all blocks: tenant, then id, then layer. Its text is opaque to clients.
public struct BlockCursor: Sendable, Hashable, Comparable {
  public let block: BlockKey

  public init(_ block: BlockKey) { self.block = block }

  /// Nil where the text is not one that `text` makes.
  public init?(text: String) {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 3, let tenant = UInt32(parts[0]), let layer = UInt16(parts[2]),
      let id = BlockID(hexText: parts[1])
    else { return nil }
    self.init(BlockKey(tenant: TenantID(tenant), id: id, layer: layer))
  }

  public var text: String { "\(block.tenant.rawValue).\(block.id.hexText).\(block.layer)" }

  public static func < (x: BlockCursor, y: BlockCursor) -> Bool {
    let (p, q) = (x.block, y.block)
    if p.tenant != q.tenant { return p.tenant.rawValue < q.tenant.rawValue }
    if p.id.a != q.id.a { return p.id.a < q.id.a }
    if p.id.b != q.id.b { return p.id.b < q.id.b }
    if p.id.c != q.id.c { return p.id.c < q.id.c }
    if p.id.d != q.id.d { return p.id.d < q.id.d }
    return p.layer < q.layer
  }
}

/// One page out of blocks that come in any order, in memory bounded by the page however many blocks there are.
public struct BlockPager: Sendable {
  private let after: BlockCursor?
  private let limit: Int
  /// The smallest cursors seen so far after `after`, one more than the page takes; sorted now and then.
  private var smallest: [BlockCursor] = []
  private var total = 0

  public init(_ query: BlocksQuery) {
    self.after = query.after
    self.limit = max(1, min(query.limit, BlocksQuery.maxLimit))
  }

  /// Takes a block that matches the query.
  public mutating func offer(_ block: BlockKey) {
    total += 1
    let cursor = BlockCursor(block)
    if let after, cursor <= after { return }
    smallest.append(cursor)
    if smallest.count >= 2 * (limit + 1) { shrink() }
  }

  /// The page's blocks in order, the number of blocks offered, and the cursor of the next page.
  public consuming func page() -> (blocks: [BlockKey], total: Int, next: String?) {
    shrink()
    let page = smallest.prefix(limit)
    return (page.map(\.block), total, smallest.count > limit ? page.last?.text : nil)
  }

  private mutating func shrink() {
    smallest.sort()
    if smallest.count > limit + 1 { smallest.removeLast(smallest.count - limit - 1) }
  }
}
