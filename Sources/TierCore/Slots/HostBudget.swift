/// What the operator gives the host: so much in all, or so much of each NUMA node.
public enum HostBudget: Sendable, Equatable {
  case total(Int)
  /// Of at least one node, each named once.
  case nodes([MemoryNode])

  public var bytes: Int {
    switch self {
    case .total(let bytes): bytes
    case .nodes(let nodes): nodes.reduce(0) { $0 + $1.budgetBytes }
    }
  }

  /// `8GiB`, or `node0=4GiB,node1=4GiB`. Nil where the text is neither, names a node twice, or the sum is out of range.
  public static func parse(_ text: String) -> HostBudget? {
    guard text.contains("=") else { return ByteCount.parse(text).map { .total($0) } }
    var nodes: [MemoryNode] = []
    var sum = 0
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      let sides = part.split(separator: "=", omittingEmptySubsequences: false).map { $0.filter { $0 != " " } }
      guard sides.count == 2, sides[0].hasPrefix("node"), let id = Int(sides[0].dropFirst(4)), id >= 0,
        !nodes.contains(where: { $0.id == id }), let bytes = ByteCount.parse(sides[1])
      else { return nil }
      let (total, overflow) = sum.addingReportingOverflow(bytes)
      guard !overflow else { return nil }
      sum = total
      nodes.append(MemoryNode(id: id, budgetBytes: bytes))
    }
    return .nodes(nodes)
  }

  /// As it is written.
  public var text: String {
    switch self {
    case .total(let bytes): ByteCount.text(bytes)
    case .nodes(let nodes): nodes.map { "node\($0.id)=\(ByteCount.text($0.budgetBytes))" }.joined(separator: ", ")
    }
  }
}
