// Taking slots and giving them back.

extension Pool {
  /// A slot, or nil where the budget has no room for it. `newArena` is the id of an arena that has to be opened.
  /// - Parameters:
  ///   - near: whose nearest node comes first (`NodeOrders`).
  ///   - isKept: the slot is for a block that only stays because there is room: not where the system is short.
  mutating func allocate(
    tenant: TenantID, slotBytes: Int, near: Int = NodeOrders.unknown, isKept: Bool = false, newArena: ArenaID,
    steps: inout [Step]
  ) -> (slot: SlotRef, generation: UInt64)? {
    if isKept, let (slot, node) = takeLasting(tenant, slotBytes, near) { return take(slot, slotBytes, node) }
    guard heldBytes + slotBytes <= budgetBytes, let node = place(slotBytes, near, isKept) else { return nil }
    let index = classIndex(tenant, slotBytes, node)
    if isKept, lastingShare > 0, openLasting(index, newArena, steps: &steps) {
      let (slot, node) = takeLasting(tenant, slotBytes, near)!
      return take(slot, slotBytes, node)
    }
    let slot = takeCommitted(index) ?? takeUncommitted(index, newArena: newArena, steps: &steps)
    return take(slot, slotBytes, node)
  }

  private mutating func take(
    _ slot: SlotRef, _ slotBytes: Int, _ node: Int
  ) -> (slot: SlotRef, generation: UInt64) {
    usedBytes += slotBytes
    nodes[node].usedBytes += slotBytes
    peakBytes = max(peakBytes, committedBytes)
    return (slot, arenas[existing: slot.arena].nextGeneration(slot.index))
  }

  /// The nearest node that has room; of someone who is nowhere in particular the one with the most.
  private func place(_ bytes: Int, _ near: Int, _ isKept: Bool) -> Int? {
    guard nodes.count > 1 else { return 0 }
    let order = orders[near] ?? nodes.indices.sorted { nodes[$0].freeBytes > nodes[$1].freeBytes }
    if let node = order.first(where: { nodes[$0].freeBytes >= bytes && !nodes[$0].isShort }) { return node }
    guard !isKept || nodes.allSatisfy(\.isShort) else { return nil }
    return order.first { nodes[$0].freeBytes >= bytes }
  }

  mutating func classIndex(_ tenant: TenantID, _ slotBytes: Int, _ node: Int) -> Int {
    if let index = find(tenant, slotBytes, node) {
      latestClass = index
    } else {
      latestClass = classes.count
      classes.append(SlotClass(tenant: tenant, slotBytes: slotBytes, node: node))
    }
    return latestClass
  }

  func find(_ tenant: TenantID, _ slotBytes: Int, _ node: Int) -> Int? {
    func matches(_ entry: SlotClass) -> Bool {
      entry.tenant == tenant && entry.slotBytes == slotBytes && entry.node == node
    }
    if latestClass < classes.count, matches(classes[latestClass]) { return latestClass }
    return classes.firstIndex(where: matches)
  }

  private mutating func takeCommitted(_ index: Int) -> SlotRef? {
    while classes[index].firstFree < classes[index].arenas.count {
      let id = classes[index].arenas[classes[index].firstFree]
      if let slot = arenas[existing: id].takeCommitted() { return SlotRef(arena: id, index: slot) }
      classes[index].firstFree += 1
    }
    return nil
  }

  private mutating func takeUncommitted(_ index: Int, newArena: ArenaID, steps: inout [Step]) -> SlotRef {
    let (slotBytes, node) = (classes[index].slotBytes, classes[index].node)
    let isNew = !classes[index].arenas.contains { arenas[existing: $0].hasUncommitted }
    if isNew, let slot = openWhole(index, newArena, steps: &steps) { return slot }
    makeCommitRoom(slotBytes, on: node, steps: &steps)
    commit(slotBytes, on: node)
    for id in classes[index].arenas where arenas[existing: id].hasUncommitted {
      return SlotRef(arena: id, index: arenas[existing: id].takeUncommitted()!)
    }
    // No larger than all its node may hold: what is mapped may count as locked.
    let bytes = min(extentBytes, nodes[node].budgetBytes)
    open(index, newArena, slotCount: max(1, bytes / slotBytes), .bySlot, steps: &steps)
    return SlotRef(arena: newArena, index: arenas[existing: newArena].takeUncommitted()!)
  }

  mutating func open(
    _ index: Int, _ id: ArenaID, slotCount: Int, _ commitment: ArenaPlace.Commitment, steps: inout [Step]
  ) {
    let (isLasting, owner) = (commitment == .lasting, classes[index])
    var arena = Arena(
      id: id, tenant: owner.tenant, slotBytes: owner.slotBytes, slotCount: slotCount, slotClass: index,
      ordinal: isLasting ? owner.lasting.count : owner.arenas.count, node: owner.node)
    arena.commitment = commitment
    arenas.append(arena, as: id)
    if isLasting { classes[index].lasting.append(id) } else { classes[index].arenas.append(id) }
    steps.append(.open(arena))
  }

  mutating func commit(_ bytes: Int, on node: Int) {
    committedBytes += bytes
    nodes[node].committedBytes += bytes
  }

  /// Takes a slot back; its pages go to the system where the tier is over its limit.
  mutating func free(_ slot: SlotRef, steps: inout [Step]) {
    let (bytes, slotClass, ordinal, node, isLasting) = arenas[existing: slot.arena].putBack(slot.index)
    usedBytes -= bytes
    nodes[node].usedBytes -= bytes
    precondition(usedBytes >= 0, "no slot is freed twice")
    if isLasting {
      lastingIdleBytes += bytes
      nodes[node].lastingIdleBytes += bytes
    } else {
      classes[slotClass].firstFree = min(classes[slotClass].firstFree, ordinal)
    }
    settle(steps: &steps)
  }

  /// Takes over an arena with its held slots in use. More than the budget leaves as after a shrink.
  mutating func adopt(_ found: FoundArena) {
    let node = nodes.firstIndex { $0.id != nil && $0.id == found.node } ?? 0
    let index = classIndex(found.tenant, found.slotBytes, node)
    let (count, lastingCount) = (classes[index].arenas.count, classes[index].lasting.count)
    var arena = Arena(found, slotClass: index, ordinal: found.isLasting ? lastingCount : count, node: node)
    let bytes = found.held.count * found.slotBytes
    var idle = 0
    if found.isLasting {
      arena.commitment = .lasting
      idle = arena.commitRest()
      classes[index].lasting.append(found.id)
    } else {
      classes[index].arenas.append(found.id)
    }
    arenas.append(arena, as: found.id)
    usedBytes += bytes
    committedBytes += bytes + idle
    lastingIdleBytes += idle
    nodes[node].adopt(bytes, idle: idle, isLasting: found.isLasting)
    adoptingBytes += bytes
    limitBytes = max(limitBytes, heldBytes)
    peakBytes = max(peakBytes, committedBytes)
  }

  mutating func settleAdopted(_ slot: SlotRef) {
    adoptingBytes -= slotBytes(of: slot)
    precondition(adoptingBytes >= 0, "a slot is found once")
  }

  /// Staging arenas are committed as a whole, outside the slot classes; in pieces where no node has room for all of one.
  /// Answers the pieces, near ones first; nil where there is no room.
  mutating func takeStaging(_ bytes: Int, near: Int = NodeOrders.unknown, steps: inout [Step]) -> [(
    node: Int, bytes: Int
  )]? {
    guard hasStagingRoom(bytes) else { return nil }
    let pieces = nodes.count == 1 ? [(node: 0, bytes: bytes)] : stagingPieces(bytes, near)
    for piece in pieces {
      makeCommitRoom(piece.bytes, on: piece.node, steps: &steps)
      usedBytes += piece.bytes
      nodes[piece.node].usedBytes += piece.bytes
      commit(piece.bytes, on: piece.node)
    }
    peakBytes = max(peakBytes, committedBytes)
    return pieces
  }

  private func stagingPieces(_ bytes: Int, _ near: Int) -> [(node: Int, bytes: Int)] {
    let order = orders[near] ?? nodes.indices.sorted { nodes[$0].freeBytes > nodes[$1].freeBytes }
    let byNeed = order.filter { !nodes[$0].isShort } + order.filter { nodes[$0].isShort }
    if let node = byNeed.first(where: { nodes[$0].freeBytes >= bytes && !nodes[$0].isShort }) { return [(node, bytes)] }
    var (pieces, rest) = ([(node: Int, bytes: Int)](), bytes)
    for node in byNeed where rest > 0 && nodes[node].freeBytes > 0 {
      pieces.append((node, min(rest, nodes[node].freeBytes)))
      rest -= pieces.last!.bytes
    }
    return pieces
  }

  mutating func freeStaging(_ pieces: [(node: Int, bytes: Int)], steps: inout [Step]) {
    for piece in pieces {
      usedBytes -= piece.bytes
      nodes[piece.node].usedBytes -= piece.bytes
      commit(-piece.bytes, on: piece.node)
    }
    settle(steps: &steps)
  }
}
