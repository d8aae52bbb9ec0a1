/// A NUMA node with a pool of its own, and how much of the tier lies there.
public struct MemoryNode: Sendable, Hashable {
  /// The system's number of it.
  public let id: Int
  public var budgetBytes: Int

  public init(id: Int, budgetBytes: Int) {
    self.id = id
    self.budgetBytes = budgetBytes
  }

  /// Parts of `bytes` in the proportion of the weights, whole pages, and what does not divide to the first ones. Nothing is
  /// rounded up: the parts add up to `bytes`, less what is no whole page.
  public static func split(_ bytes: Int, weights: [Int]) -> [Int] {
    let pages = max(0, bytes) / pageBytes
    let sum = weights.reduce(0) { $0 + max(0, $1) }
    guard sum > 0 else { return weights.map { _ in 0 } }
    var parts = weights.map { Int(Double(pages) * (Double(max(0, $0)) / Double(sum))) }
    var rest = pages - parts.reduce(0, +)
    for index in parts.indices where rest > 0 && weights[index] > 0 {
      parts[index] += 1
      rest -= 1
    }
    // What rounding in floating point may have left or taken, a page or two.
    if let first = weights.firstIndex(where: { $0 > 0 }) { parts[first] += rest }
    return parts.map { $0 * pageBytes }
  }

  public static let pageBytes = 4096
}

/// How far the nodes of a system are from each other, as its firmware says: 10 is a node itself.
public struct NodeDistances: Sendable, Hashable {
  private let rows: [Int: [Int: Int]]

  /// - Parameter rows: by node, the distances from it to others.
  public init(_ rows: [Int: [Int: Int]] = [:]) { self.rows = rows }

  public var nodes: [Int] { rows.keys.sorted() }

  /// The nodes by their distance from `node`, equal ones by number. One it knows nothing of is near itself, if anything.
  public func nearest(to node: Int, among nodes: [Int]) -> [Int] {
    func distance(_ other: Int) -> Int { other == node ? 0 : rows[node]?[other] ?? Int.max }
    return nodes.sorted { (distance($0), $0) < (distance($1), $1) }
  }
}

/// Where and how an arena's memory is had.
public struct ArenaPlace: Sendable, Hashable {
  /// How its pages come and go.
  public enum Commitment: Sendable, Hashable {
    /// With each slot.
    case bySlot
    /// All at once, until the arena is unpinned: then with each slot.
    case whole
    /// All at once, and only all at once back: worth huge pages.
    case lasting
  }

  /// The node its memory comes from; nil where that does not matter.
  public var node: Int?
  public var commitment: Commitment

  public init(node: Int? = nil, commitment: Commitment = .bySlot) {
    self.node = node
    self.commitment = commitment
  }
}

/// So much of a staging arena lies on the node, after the shares before it.
public struct StagingShare: Sendable, Hashable {
  public let node: Int?
  public let bytes: Int

  public init(node: Int?, bytes: Int) {
    self.node = node
    self.bytes = bytes
  }
}
