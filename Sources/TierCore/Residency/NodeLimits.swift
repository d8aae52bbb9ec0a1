// The nodes of the host: whose is near whom, what each may hold, and what is short.

extension Pool {
  /// Of a budget, what can be promised to sequences: every piece of it will be found on some node.
  /// - Parameter slotBytes: of a sequence that is not admitted yet.
  func promisable(of budget: Int, with slotBytes: Int = 0) -> Int {
    guard nodes.count > 1 else { return budget }
    let onNodes = nodes.reduce(0) { $0 + $1.budgetBytes }
    return max(0, min(budget, onNodes) - strandableBytes(with: slotBytes))
  }

  /// Of what is in force now.
  func promisable(with slotBytes: Int = 0) -> Int { promisable(of: budgetBytes, with: slotBytes) }

  var isAnyNodeOver: Bool { nodes.count > 1 && nodes.contains(where: \.isOver) }
}

extension ResidencyCore {
  /// Whose nearest node of the host the block goes to: the device's, else that of the sequence that uses it.
  func near(_ block: Block) -> Int {
    guard host.nodes.count > 1 else { return NodeOrders.unknown }
    if computeTier == .device, let node = configuration.deviceNode { return host.orders.place(of: node) }
    return sequences[block.group]?.near ?? NodeOrders.unknown
  }

  /// A slot finds no room where each node has less than that left: so much is not promised while its like is asked for.
  mutating func noteLargestSlot(beside plan: SequencePlan? = nil) {
    guard host.nodes.count > 1 else { return }
    host.largestSlotBytes = sequences.values.reduce(plan?.layout.slotBytes ?? 0) { largest, sequence in
      sequence.state == .queued ? largest : max(largest, sequence.plan.layout.slotBytes)
    }
  }

  /// What is worth huge pages stays when memory is short, but not when somebody needs what was promised.
  mutating func giveBackLasting(_ tier: Tier) -> Bool {
    var steps: [Pool.Step] = []
    let hasGiven = self[tier].giveBackLasting(steps: &steps)
    carryOut(steps, on: tier)
    return hasGiven
  }

  mutating func settleNodes(_ tier: Tier) {
    guard self[tier].nodes.count > 1 else { return }
    var steps: [Pool.Step] = []
    self[tier].settle(steps: &steps)
    carryOut(steps, on: tier)
  }

  /// Sets what the host may use of its nodes; all of them together never less than the open sequences were promised.
  mutating func setNodeBudgets(_ budgets: [MemoryNode]) {
    mayProceed = true
    let parts = host.nodes.map { node in budgets.first { $0.id == node.id }?.budgetBytes ?? node.budgetBytes }
    guard host.nodes.count > 1, parts.reduce(0, +) >= smallestBudgetBytes(.host) else { return }
    host.configure(parts: parts)
    enforceBudget(.host)
    settleNodes(.host)
    refuseImpossible()
  }

  mutating func setShortNodes(_ nodes: Set<Int>) {
    for index in host.nodes.indices { host.nodes[index].isShort = host.nodes[index].id.map(nodes.contains) ?? false }
    mayProceed = true
  }

  /// Brings nodes back under budgets that were lowered, on a tick: what lies there leaves, clean copies at once, others
  /// once they are written (`nextToWrite` goes on while a node is over).
  mutating func shrinkNodes() {
    guard host.isAnyNodeOver else { return }
    mayProceed = true
    for node in host.nodes.indices where host.nodes[node].isOver {
      for handle in leaving(node) {
        guard host.nodes[node].isOver else { break }
        guard directory[handle].host.list >= 0 else { continue }
        dropCopy(handle, on: .host)
      }
    }
  }

  /// What may leave the node now, the first to go first: what nobody plans to use, then of cyclic scans what was used last.
  private func leaving(_ node: Int) -> [BlockHandle] {
    let handles = directory.handles.filter { handle in
      let block = directory[handle]
      return block.host.list >= 0 && host.node(of: block.host.slot) == node
        && (block.isClean(on: .host) || !disk.isUsable)
    }
    func rank(_ handle: BlockHandle) -> (Int, UInt64) {
      let block = directory[handle]
      let isIdle = block.group == EvictionLists.idle
      // Bytes that are nowhere else go last, and only where nothing can take them.
      return (block.isClean(on: .host) ? (isIdle ? 0 : 1) : 2, isIdle ? block.lastUse : ~block.lastUse)
    }
    return handles.sorted { rank($0) < rank($1) }
  }

  /// So many ticks after memory was given back, arenas that were taken apart for it are made whole again, one a tick.
  static let ticksBeforeMending = 50

  mutating func mendExtents() {
    guard host.commitsExtents else { return }
    if host.givenBack != mending.givenBack { mending = (host.givenBack, 0) }
    mending.ticks += 1
    guard mending.ticks > Self.ticksBeforeMending else { return }
    var steps: [Pool.Step] = []
    host.mend(steps: &steps)
    carryOut(steps, on: .host)
  }
}
