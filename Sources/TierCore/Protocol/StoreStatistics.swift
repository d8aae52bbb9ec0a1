/// What the store counted since it started. Sums only: a reader subtracts two readings.
public struct StoreStatistics: Sendable, Hashable {
  /// One kind of move between tiers; `staging` writes count as a move from the worker.
  public struct Moves: Sendable, Hashable {
    public var blocks = 0
    public var bytes = 0
    public init() {}
  }
  public struct TierUse: Sendable, Hashable {
    public var budgetBytes = 0
    public var usedBytes = 0
    public var peakBytes = 0
    public init() {}
  }
  public var device = TierUse()
  public var host = TierUse()
  public var disk = TierUse()
  /// Born directly on a tier, from a worker's staging slot.
  public var bornOnDevice = Moves()
  public var bornOnHost = Moves()
  public var deviceToHost = Moves()
  public var hostToDevice = Moves()
  public var hostToDisk = Moves()
  public var diskToHost = Moves()
  /// Blocks an acquire found resident / had to wait for / found nowhere.
  public var hits = 0
  public var misses = 0
  public var lost = 0
  /// Blocks in memory taken over from an earlier life of the daemon.
  public var adopted = 0
  /// Blocks that every sequence had passed, of sliding and chunked layers: dropped everywhere.
  public var retired = 0
  /// Bytes of blocks written to disk before and after compression.
  public var spillOriginalBytes = 0
  public var spillStoredBytes = 0
  public init() {}
}
