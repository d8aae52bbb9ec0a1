/// One tenant: who it is, what it has of each tier, and what it is promised and may have.
public struct TenantStatus: Codable, Sendable, Equatable {
  /// What it has of one tier.
  public struct Share: Codable, Sendable, Equatable {
    /// `device`, `host` or `disk`.
    public var tier: String
    /// Blocks kept, or records.
    public var keptBytes: Int
    /// Reserved by its sequences: rings, staging, transit.
    public var reservedBytes: Int
    public var guaranteeBytes: Int
    /// Nil: no limit of its own.
    public var quotaBytes: Int?

    public var usedBytes: Int { keptBytes + reservedBytes }

    public init(tier: String, keptBytes: Int, reservedBytes: Int, guaranteeBytes: Int, quotaBytes: Int?) {
      self.tier = tier
      self.keptBytes = keptBytes
      self.reservedBytes = reservedBytes
      self.guaranteeBytes = guaranteeBytes
      self.quotaBytes = quotaBytes
    }
  }

  /// As configured; `uid-1000` for a user without a name.
  public var name: String
  /// As in the keys of blocks.
  public var id: UInt32
  public var sessions: Int
  public var maxSessions: Int?
  public var sequences: SequenceCounts
  public var shares: [Share]
  /// Blocks its acquires found resident / had to wait for / found nowhere.
  public var hits: Int
  public var misses: Int
  public var lost: Int
  /// Copies of its blocks in memory that made room for another tenant.
  public var displaced: Int

  public init(
    name: String, id: UInt32, sessions: Int, maxSessions: Int?, sequences: SequenceCounts, shares: [Share], hits: Int,
    misses: Int, lost: Int, displaced: Int
  ) {
    self.name = name
    self.id = id
    self.sessions = sessions
    self.maxSessions = maxSessions
    self.sequences = sequences
    self.shares = shares
    self.hits = hits
    self.misses = misses
    self.lost = lost
    self.displaced = displaced
  }
}
