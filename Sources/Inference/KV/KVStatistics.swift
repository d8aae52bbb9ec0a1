/// What one sequence did with the store. Sums since it was opened.
public struct KVStatistics: Sendable, Hashable {
  /// Time the compute threads had nothing to do because blocks, slots or admission were awaited.
  public var stallNanoseconds: Int64 = 0
  /// Waits that were not over at once.
  public var stalls = 0
  /// Past blocks that were resident when asked for, and that were not.
  public var hits = 0
  public var misses = 0
  /// Past blocks attended.
  public var blocksUsed = 0
  /// Blocks whose slot was found reused, and which were asked for again.
  public var blocksStale = 0
  /// Own blocks handed over, found cached already, and let go by the store.
  public var blocksSealed = 0
  public var blocksDuplicate = 0
  public var blocksDropped = 0
  /// Blocks of tokens computed again because the store had lost them, in some layer or in all.
  public var blocksRecomputed = 0
  /// Own blocks reported durable.
  public var blocksDurable = 0
  /// Chunks computed; a decoded token is one.
  public var chunks = 0

  public init() {}
}
