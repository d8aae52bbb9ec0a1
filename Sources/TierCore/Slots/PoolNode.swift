/// A pool's part on one NUMA node.
struct PoolNode {
  /// Nil where the pool has no nodes: one part, wherever its memory is.
  let id: Int?
  /// What may be used of it; `limitBytes` is that, or after it was lowered what is still in use.
  private(set) var budgetBytes: Int
  private(set) var limitBytes: Int
  var usedBytes = 0
  var committedBytes = 0
  /// Of arenas that are given back only whole: all of them, and what is free in them.
  var lastingBytes = 0
  var lastingIdleBytes = 0
  /// The system is short of memory there: what is only kept goes elsewhere.
  var isShort = false

  init(id: Int?, budgetBytes: Int) {
    self.id = id
    self.budgetBytes = budgetBytes
    limitBytes = budgetBytes
  }

  /// In use, or not to be had for anything else.
  var heldBytes: Int { usedBytes + lastingIdleBytes }
  var freeBytes: Int { max(0, budgetBytes - heldBytes) }
  var isOver: Bool { heldBytes > budgetBytes }

  mutating func setBudget(_ bytes: Int) {
    budgetBytes = bytes
    limitBytes = max(bytes, heldBytes)
  }

  /// The limit follows the use down, and never up again.
  mutating func settle() { limitBytes = max(budgetBytes, min(limitBytes, heldBytes)) }

  /// What an earlier life left counts, whatever the budget is now.
  mutating func adopt(_ bytes: Int, idle: Int, isLasting: Bool) {
    usedBytes += bytes
    committedBytes += bytes + idle
    lastingIdleBytes += idle
    if isLasting { lastingBytes += bytes + idle }
    limitBytes = max(limitBytes, heldBytes)
  }
}

/// Which nodes are nearest to whom.
struct NodeOrders {
  /// By place in this table, the pool's nodes from near to far.
  private let orders: [[Int]]
  private let places: [Int: Int]

  /// Of someone whose node is not known.
  static let unknown = -1

  init(_ ids: [Int], _ distances: NodeDistances) {
    let systems = Set(distances.nodes).union(ids).sorted()
    let indexes = Dictionary(uniqueKeysWithValues: ids.enumerated().map { ($1, $0) })
    orders = systems.map { distances.nearest(to: $0, among: ids).map { indexes[$0]! } }
    places = Dictionary(uniqueKeysWithValues: systems.enumerated().map { ($1, $0) })
  }

  /// The place of one of the system's nodes.
  func place(of node: Int?) -> Int { node.flatMap { places[$0] } ?? Self.unknown }

  subscript(place: Int) -> [Int]? { place < 0 ? nil : orders[place] }
}
