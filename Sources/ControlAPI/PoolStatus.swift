/// The host tier's memory on one NUMA node: of blocks and of workers' staging.
public struct PoolStatus: Codable, Sendable, Equatable {
  /// Nil where its memory may be on any.
  public var node: Int?
  public var budgetBytes: Int
  public var usedBytes: Int
  /// Taken of the system: what is used, and what is free and was not given back.
  public var committedBytes: Int
  /// Of that, what stays in memory once it is there (locked, or registered with a device), and what the system may page out.
  public var pinnedBytes: Int
  public var pageableBytes: Int
  /// Of that, what a device copies from directly.
  public var registeredBytes: Int
  /// What it is made of, by the size of a page.
  public var pages: [PageStatus]
  /// The node is short of memory: new blocks go elsewhere.
  public var short: Bool
  /// Of the whole node, where the system says so: what there is, and what could be had.
  public var nodeBytes: Int?
  public var nodeAvailableBytes: Int?

  public init(
    node: Int?, budgetBytes: Int, usedBytes: Int, committedBytes: Int, pinnedBytes: Int, pageableBytes: Int,
    registeredBytes: Int = 0, pages: [PageStatus] = [], short: Bool = false, nodeBytes: Int? = nil,
    nodeAvailableBytes: Int? = nil
  ) {
    self.node = node
    self.budgetBytes = budgetBytes
    self.usedBytes = usedBytes
    self.committedBytes = committedBytes
    self.pinnedBytes = pinnedBytes
    self.pageableBytes = pageableBytes
    self.registeredBytes = registeredBytes
    self.pages = pages
    self.short = short
    self.nodeBytes = nodeBytes
    self.nodeAvailableBytes = nodeAvailableBytes
  }

  /// For tables and labels: `node0`, or `any`.
  public var name: String { node.map { "node\($0)" } ?? "any" }
}

/// So many bytes in pages of one size.
public struct PageStatus: Codable, Sendable, Equatable {
  public var pageBytes: Int
  public var bytes: Int

  public init(pageBytes: Int, bytes: Int) {
    self.pageBytes = pageBytes
    self.bytes = bytes
  }
}

/// What the operator gives one node.
public struct NodeBudget: Codable, Sendable, Equatable {
  public var node: Int
  public var budgetBytes: Int

  public init(node: Int, budgetBytes: Int) {
    self.node = node
    self.budgetBytes = budgetBytes
  }
}
