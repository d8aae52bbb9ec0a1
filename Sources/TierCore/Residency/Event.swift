/// One worker's connection, for the life of the daemon.
public struct SessionID: Sendable, Hashable, Comparable {
  public let rawValue: UInt64
  public init(_ rawValue: UInt64) { self.rawValue = rawValue }
  public static func < (a: SessionID, b: SessionID) -> Bool { a.rawValue < b.rawValue }
}

/// One move of bytes that the core commanded and the shell carries out.
public struct MoveID: Sendable, Hashable {
  public let rawValue: UInt64
  public init(_ rawValue: UInt64) { self.rawValue = rawValue }
}

/// A block the spill holds: what it reports at start.
public struct DiskRecord: Sendable, Hashable {
  public let key: BlockKey
  public let layout: BlockLayout
  public let checksum: UInt64
  public let storedBytes: Int

  public init(key: BlockKey, layout: BlockLayout, checksum: UInt64, storedBytes: Int) {
    self.key = key
    self.layout = layout
    self.checksum = checksum
    self.storedBytes = storedBytes
  }
}

/// Everything that can happen to the core. Nothing else changes its state.
public enum Event: Sendable {
  case connected(SessionID, TenantID)
  /// The session's worker runs near that node of the system, as far as is known. What it opens from now on goes there.
  case located(SessionID, node: Int?)
  case request(SessionID, Request)
  /// The connection is gone; everything the session held is free.
  case disconnected(SessionID)
  case moved(MoveID, MoveOutcome)
  case setBudget(Tier, bytes: Int)
  /// What the machine has room for at present of a tier of memory, below its budget; nil where there is room for all of it.
  case setAllowance(Tier, bytes: Int?)
  /// Who is promised how much, and may have how much. Before the first arena is found, and again when that changes.
  case setTenants(TenantPolicy)
  /// What the host may use of each of its nodes; of those not named what it did.
  case setNodeBudgets([MemoryNode])
  /// The nodes that are short of memory now: they take nothing that is only kept.
  case setShortNodes(Set<Int>)
  case evict(EvictScope)
  /// Take no new sequences and write everything that is not on disk yet.
  case drain(Bool)
  case tick(nowMs: UInt64)
  /// The spill is still looking: what `recovered` brings may come while sessions are at work.
  case recoveryBegan
  /// The service manager kept an arena of an earlier life. Before the first session, in the order of ids.
  case arenaFound(FoundArena)
  /// What one of its held slots was found to hold: nil where that is not to be used.
  case slotFound(SlotRef, Tier, FoundBlock?)
  /// What the spill found of an earlier life.
  case recovered([DiskRecord])
  /// It has found everything; or who waits has waited long enough.
  case recoveryEnded
  /// The spill can no longer vouch for a record it had reported durable.
  case recordLost(BlockKey)
}

public enum EvictScope: Sendable, Hashable {
  /// Every block that no open sequence names: from memory to disk.
  case idleToDisk
  /// Every block that no open sequence names: from everywhere.
  case idleEverywhere
}

/// How a move ended.
public enum MoveOutcome: Sendable, Hashable {
  /// An `ingest`: the bytes are in their slot, with this checksum.
  case ingested(checksum: UInt64)
  case copied
  /// A `write`: on disk for good.
  case durable(storedBytes: Int)
  /// A `read`: identity and checksum verified.
  case verified
  /// A `write` found no space under the cap.
  case full
  /// The bytes on disk are not those written, or not there.
  case corrupt
  /// The device answered with an error.
  case failed
}
