public import TierCore

/// A budget that cannot be had on this machine: one line that says why and what to do.
public struct NodeFault: Error, Sendable, Equatable {
  public let message: String
}

extension NodeTopology {
  /// The pools of a budget. A total is shared out in proportion to the memory of the nodes that have processors too: what
  /// has none is slower, and is used where it is asked for by number. Empty where nothing is known of nodes.
  ///
  /// Throws where the machine, or a node, has not so much memory at all, or none.
  public func pools(_ budget: HostBudget) throws(NodeFault) -> [MemoryNode] {
    switch budget {
    case .total(let bytes):
      let withMemory = withMemory
      guard !withMemory.isEmpty else { return [] }
      let withCPUs = withMemory.filter { !$0.cpus.isEmpty }
      let homes = withCPUs.isEmpty ? withMemory : withCPUs
      let all = homes.reduce(0) { $0 + $1.memoryBytes }
      guard bytes <= all else {
        throw NodeFault(
          message: "the machine has \(ByteCount.text(all)) of memory, and the host tier was given "
            + "\(ByteCount.text(bytes)): give it less")
      }
      guard homes.count > 1 else { return [MemoryNode(id: homes[0].id, budgetBytes: bytes)] }
      return zip(homes, MemoryNode.split(bytes, weights: homes.map(\.memoryBytes)))
        .map { MemoryNode(id: $0.id, budgetBytes: $1) }
    case .nodes(let wanted):
      for pool in wanted { try check(pool) }
      return wanted.sorted { $0.id < $1.id }
    }
  }

  private func check(_ pool: MemoryNode) throws(NodeFault) {
    let names = withMemory.map { "node\($0.id)" }.joined(separator: ", ")
    let advice = names.isEmpty ? "give one size for all of it" : "with memory there are \(names)"
    guard let node = self[pool.id] else {
      throw NodeFault(message: "there is no NUMA node \(pool.id): \(advice)")
    }
    guard node.memoryBytes > 0 else { throw NodeFault(message: "NUMA node \(pool.id) has no memory: \(advice)") }
    guard node.isAllowed else {
      throw NodeFault(message: "this process may have no memory of NUMA node \(pool.id) (cpuset, AllowedMemoryNodes=)")
    }
    guard pool.budgetBytes <= node.memoryBytes else {
      throw NodeFault(
        message: "NUMA node \(pool.id) has \(ByteCount.text(node.memoryBytes)) of memory, and was given "
          + "\(ByteCount.text(pool.budgetBytes)): give it less")
    }
  }
}
