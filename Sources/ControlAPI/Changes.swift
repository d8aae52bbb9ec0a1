/// `POST /v1/set`: new budgets, and tenants' limits. What is nil stays as it is.
public struct SetRequest: Codable, Sendable, Equatable {
  public var deviceBudgetBytes: Int?
  public var hostBudgetBytes: Int?
  /// The same by node, instead of it: of those not named what they have.
  public var hostNodes: [NodeBudget]?
  public var diskBudgetBytes: Int?
  /// All of them: who is not in it is named no more. For workers that connect from then on; its limits at once.
  public var tenants: TenantTable?

  public init(
    deviceBudgetBytes: Int? = nil, hostBudgetBytes: Int? = nil, hostNodes: [NodeBudget]? = nil,
    diskBudgetBytes: Int? = nil, tenants: TenantTable? = nil
  ) {
    self.deviceBudgetBytes = deviceBudgetBytes
    self.hostBudgetBytes = hostBudgetBytes
    self.hostNodes = hostNodes
    self.diskBudgetBytes = diskBudgetBytes
    self.tenants = tenants
  }

  private enum CodingKeys: String, CodingKey, CaseIterable {
    case deviceBudgetBytes, hostBudgetBytes, hostNodes, diskBudgetBytes, tenants
  }

  /// Throws on a key it does not know.
  public init(from decoder: any Decoder) throws {
    try refuseUnknownKeys(decoder, known: CodingKeys.allCases)
    let container = try decoder.container(keyedBy: CodingKeys.self)
    deviceBudgetBytes = try container.decodeIfPresent(Int.self, forKey: .deviceBudgetBytes)
    hostBudgetBytes = try container.decodeIfPresent(Int.self, forKey: .hostBudgetBytes)
    hostNodes = try container.decodeIfPresent([NodeBudget].self, forKey: .hostNodes)
    diskBudgetBytes = try container.decodeIfPresent(Int.self, forKey: .diskBudgetBytes)
    tenants = try container.decodeIfPresent(TenantTable.self, forKey: .tenants)
  }

  /// Why the request makes no sense whatever the store; nil where it does.
  public var fault: ControlError? {
    let nodes = hostNodes ?? []
    let budgets = [deviceBudgetBytes, hostBudgetBytes, diskBudgetBytes].compactMap { $0 } + nodes.map(\.budgetBytes)
    if hostNodes != nil, hostBudgetBytes != nil || nodes.isEmpty || Set(nodes.map(\.node)).count < nodes.count {
      return .badRequest("a host budget is one size, or one for each of some nodes")
    }
    if budgets.isEmpty, tenants == nil {
      return .badRequest("nothing to set: give a device, host or disk budget, or a tenant's limits")
    }
    if let fault = tenants?.fault { return .badRequest("tenants: \(fault)") }
    if budgets.contains(where: { $0 < 0 }) { return .badRequest("a budget cannot be negative") }
    return nil
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

  private enum CodingKeys: String, CodingKey, CaseIterable {
    case what, key, to
  }

  /// Throws on a key it does not know.
  public init(from decoder: any Decoder) throws {
    try refuseUnknownKeys(decoder, known: CodingKeys.allCases)
    let container = try decoder.container(keyedBy: CodingKeys.self)
    what = try container.decode(Scope.self, forKey: .what)
    key = try container.decodeIfPresent(KeyPrefix.self, forKey: .key)
    to = try container.decode(Destination.self, forKey: .to)
  }

  /// Why the request makes no sense whatever the store; nil where it does.
  public var fault: ControlError? {
    switch (what, key) {
    case (.key, nil): .badRequest("evicting by key needs a key")
    case (.unleased, .some), (.unplanned, .some): .badRequest("a key goes with what 'key' only")
    default: nil
    }
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

/// `POST /v1/drain`: take no new sequences, and wait up to the deadline for the open ones to finish. The server asks the
/// store in short turns, so that neither a thread nor a shutdown waits for the whole deadline.
public struct DrainRequest: Codable, Sendable, Equatable {
  public var deadlineMs: Int

  /// Longer waits are for the caller to repeat.
  public static let maxDeadlineMs = 60_000

  public init(deadlineMs: Int) { self.deadlineMs = deadlineMs }

  private enum CodingKeys: String, CodingKey, CaseIterable {
    case deadlineMs
  }

  /// Throws on a key it does not know.
  public init(from decoder: any Decoder) throws {
    try refuseUnknownKeys(decoder, known: CodingKeys.allCases)
    deadlineMs = try decoder.container(keyedBy: CodingKeys.self).decode(Int.self, forKey: .deadlineMs)
  }

  /// Why the request makes no sense whatever the store; nil where it does.
  public var fault: ControlError? {
    (0...Self.maxDeadlineMs).contains(deadlineMs)
      ? nil : .badRequest("a drain's deadline is 0 to \(Self.maxDeadlineMs) ms")
  }
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
