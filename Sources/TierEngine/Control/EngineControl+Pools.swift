import ControlAPI
import Synchronization
import TierCore
import TierMemory

// The host tier by node, for operators.

extension EngineControl {
  func pools(_ core: CoreReading) -> [PoolStatus] {
    let stagings = engine.arenas.stagingUse()
    return core.nodes.map { node in
      var kept: [(bytes: Int, use: HostMemoryUse)] = core.arenas.filter { $0.node == node.node }.map {
        ($0.committedBytes, engine.arenas.use($0.id) ?? HostMemoryUse())
      }
      kept += stagings.filter { $0.node == node.node || core.nodes.count == 1 }.map { ($0.bytes, $0.use) }
      let memory = node.node.flatMap { engine.options.hostMemory.topology.memory(of: $0) }
      let pinned = kept.reduce(0) { $0 + $1.use.pinnedBytes(of: $1.bytes) }
      return PoolStatus(
        node: node.node, budgetBytes: node.budgetBytes, usedBytes: node.usedBytes, committedBytes: node.committedBytes,
        pinnedBytes: min(pinned, node.committedBytes), pageableBytes: max(0, node.committedBytes - pinned),
        registeredBytes: kept.reduce(0) { $0 + $1.use.registeredBytes }, pages: pages(kept), short: node.isShort,
        nodeBytes: memory?.totalBytes, nodeAvailableBytes: memory?.availableBytes)
    }
  }

  /// By page size, small pages first.
  private func pages(_ kept: [(bytes: Int, use: HostMemoryUse)]) -> [PageStatus] {
    var sizes: [Int: Int] = [:]
    for (bytes, use) in kept where bytes > 0 {
      let huge = min(bytes, use.hugeBytes)
      if huge > 0 { sizes[MemoryFile.hugePageBytes, default: 0] += huge }
      if bytes > huge { sizes[use.pageBytes, default: 0] += bytes - huge }
    }
    return sizes.sorted { $0.key < $1.key }.map { PageStatus(pageBytes: $0.key, bytes: $0.value) }
  }

  /// What nodes are given from now on. Throws where one has no pool, or all of them together would be too little.
  func check(_ wanted: [NodeBudget]) throws(ControlError) -> [MemoryNode] {
    let nodes = engine.state.withLock { $0.core.hostNodes() }
    let names = nodes.compactMap(\.node).map { "node\($0)" }.joined(separator: ", ")
    for budget in wanted {
      guard nodes.count > 1, nodes.contains(where: { $0.node == budget.node }) else {
        throw .conflict(
          "the host tier has no pool on node\(budget.node): "
            + (nodes.count > 1 ? "it has \(names), chosen when the daemon starts" : "give one size for all of it"))
      }
      if let there = engine.options.hostMemory.topology[budget.node]?.memoryBytes, budget.budgetBytes > there {
        throw .conflict(
          "node\(budget.node) has \(ByteCount.text(there)) of memory, and \(ByteCount.text(budget.budgetBytes)) were asked of it"
        )
      }
    }
    let all = nodes.map { node in
      MemoryNode(
        id: node.node ?? 0, budgetBytes: wanted.first { $0.node == node.node }?.budgetBytes ?? node.budgetBytes)
    }
    let (sum, smallest) = (
      all.reduce(0) { $0 + $1.budgetBytes }, engine.state.withLock { $0.core.smallestBudgetBytes(.host) }
    )
    guard sum >= max(smallest, 1) else {
      throw .conflict(
        "the open sequences need at least \(ByteCount.text(smallest)) of the host tier: set that, or drain first")
    }
    return all
  }
}

extension HostMemoryUse {
  /// Of so much that is committed.
  func pinnedBytes(of bytes: Int) -> Int { isLocked ? bytes : min(bytes, registeredBytes) }
}
