public import TierCore

/// `GET /v1/blocks`: which blocks to list, and from where on.
public struct BlocksQuery: Sendable, Equatable {
  /// Only blocks that are on this tier (perhaps on others too).
  public var tier: Tier?
  public var layer: UInt16?
  public var key: KeyPrefix?
  /// List what comes after this; the `next` of the page before.
  public var after: BlockCursor?
  /// At most this many, `1...BlocksQuery.maxLimit`.
  public var limit: Int

  public static let defaultLimit = 100
  public static let maxLimit = 1000

  public init(
    tier: Tier? = nil, layer: UInt16? = nil, key: KeyPrefix? = nil, after: BlockCursor? = nil,
    limit: Int = BlocksQuery.defaultLimit
  ) {
    self.tier = tier
    self.layer = layer
    self.key = key
    self.after = after
    self.limit = limit
  }

  /// Whether a block is asked for, its place in the pages aside.
  public func matches(_ block: BlockKey, on tiers: some Sequence<Tier>) -> Bool {
    if let layer, layer != block.layer { return false }
    if let key, !key.matches(block.id) { return false }
    if let tier, !tiers.contains(tier) { return false }
    return true
  }
}

/// One page of blocks, in the order of their cursors.
public struct BlocksReply: Codable, Sendable, Equatable {
  public var blocks: [BlockStatus]
  /// All blocks that match, on this page or not.
  public var total: Int
  /// Give it as `after` for the next page; nil on the last.
  public var next: String?

  public init(blocks: [BlockStatus], total: Int, next: String?) {
    self.blocks = blocks
    self.total = total
    self.next = next
  }
}

/// Where one block is.
public struct BlockStatus: Codable, Sendable, Equatable {
  public var tenant: UInt32
  /// The block's id, 64 hexadecimal digits.
  public var key: String
  public var layer: UInt16
  /// Names of the tiers it is on, the fastest first.
  public var tiers: [String]
  public var bytes: Int
  public var leases: Int
  /// It is on disk for good.
  public var durable: Bool

  public init(_ block: BlockKey, tiers: [Tier], bytes: Int, leases: Int, durable: Bool) {
    self.tenant = block.tenant.rawValue
    self.key = block.id.hexText
    self.layer = block.layer
    self.tiers = tiers.sorted().map(\.name)
    self.bytes = bytes
    self.leases = leases
    self.durable = durable
  }
}
