/// `POST /v1/set`: new budgets. What is nil stays as it is.
public struct SetRequest: Codable, Sendable, Equatable {
  public var deviceBudgetBytes: Int?
  public var hostBudgetBytes: Int?
  public var diskBudgetBytes: Int?

  public init(deviceBudgetBytes: Int? = nil, hostBudgetBytes: Int? = nil, diskBudgetBytes: Int? = nil) {
    self.deviceBudgetBytes = deviceBudgetBytes
    self.hostBudgetBytes = hostBudgetBytes
    self.diskBudgetBytes = diskBudgetBytes
  }
}

/// What is in force after a `set`. A tier whose `usedBytes` exceed its budget is still being emptied.
public struct SetReply: Codable, Sendable, Equatable {
  public struct Budget: Codable, Sendable, Equatable {
    public var name: String
    public var budgetBytes: Int
    public var usedBytes: Int

    public init(name: String, budgetBytes: Int, usedBytes: Int) {
      self.name = name
      self.budgetBytes = budgetBytes
      self.usedBytes = usedBytes
    }
  }

  public var tiers: [Budget]

  public init(tiers: [Budget]) { self.tiers = tiers }
}

/// `POST /v1/evict`: which blocks, and how far down. Leased blocks never move.
public struct EvictRequest: Codable, Sendable, Equatable {
  public enum Scope: String, Codable, Sendable, CaseIterable {
    /// Every block without a lease.
    case unleased
    /// Every block without a lease that no open sequence's plan names.
    case unplanned
    /// The blocks whose id starts with `key`.
    case key
  }

  public enum Destination: String, Codable, Sendable, CaseIterable {
    /// Out of memory; still to be had from disk.
    case disk
    /// Out of every tier.
    case gone
  }

  public var what: Scope
  /// With `what: key`, and only then.
  public var key: KeyPrefix?
  public var to: Destination

  public init(what: Scope, key: KeyPrefix? = nil, to: Destination) {
    self.what = what
    self.key = key
    self.to = to
  }
}

/// What an `evict` found to do.
public struct EvictReply: Codable, Sendable, Equatable {
  /// Blocks that left memory (or every tier), and their bytes there.
  public var blocks: Int
  public var bytes: Int
  /// Blocks that leave as soon as their bytes are on disk.
  public var pendingBlocks: Int
  /// Blocks that match and stay: leased, or on the move.
  public var busyBlocks: Int

  public init(blocks: Int, bytes: Int, pendingBlocks: Int, busyBlocks: Int) {
    self.blocks = blocks
    self.bytes = bytes
    self.pendingBlocks = pendingBlocks
    self.busyBlocks = busyBlocks
  }
}

/// `POST /v1/drain`: take no new sequences, and wait up to the deadline for the open ones to finish.
public struct DrainRequest: Codable, Sendable, Equatable {
  public var deadlineMs: Int

  /// Longer waits are for the caller to repeat.
  public static let maxDeadlineMs = 60_000

  public init(deadlineMs: Int) { self.deadlineMs = deadlineMs }
}

/// Where a `drain` stands when it answers. The daemon stays draining.
public struct DrainReply: Codable, Sendable, Equatable {
  /// No sequence is open and everything in memory that should be on disk is.
  public var drained: Bool
  public var sequencesOpen: Int
  /// Blocks in memory that are not on disk yet.
  public var dirtyBlocks: Int
  public var elapsedMs: Int

  public init(drained: Bool, sequencesOpen: Int, dirtyBlocks: Int, elapsedMs: Int) {
    self.drained = drained
    self.sequencesOpen = sequencesOpen
    self.dirtyBlocks = dirtyBlocks
    self.elapsedMs = elapsedMs
  }
}
