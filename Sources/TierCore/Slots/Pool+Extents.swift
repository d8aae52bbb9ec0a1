// What is committed together, and given back.

extension Pool {
  /// Free slots give their pages back until `bytes` more may be committed on the node.
  mutating func makeCommitRoom(_ bytes: Int, on node: Int, steps: inout [Step]) {
    guard committedBytes + bytes > limitBytes || nodes[node].committedBytes + bytes > nodes[node].limitBytes else {
      return
    }
    // What the node gives counts for the tier, too.
    giveBack(from: node, steps: &steps) { $0.nodes[node].committedBytes + bytes <= $0.nodes[node].limitBytes }
    giveBack(from: nil, steps: &steps) { $0.committedBytes + bytes <= $0.limitBytes }
    precondition(
      committedBytes + bytes <= limitBytes && nodes[node].committedBytes + bytes <= nodes[node].limitBytes,
      "free slots cover what the budget has room for")
  }

  /// Limits follow the use down, and what is committed the limits.
  mutating func settle(steps: inout [Step]) {
    limitBytes = max(budgetBytes, min(limitBytes, heldBytes))
    for node in nodes.indices {
      nodes[node].settle()
      guard nodes[node].committedBytes > nodes[node].limitBytes else { continue }
      giveBack(from: node, steps: &steps) { $0.nodes[node].committedBytes <= $0.nodes[node].limitBytes }
    }
    if committedBytes > limitBytes {
      giveBack(from: nil, steps: &steps) { $0.committedBytes <= $0.limitBytes }
    }
    guard lastingIdleBytes > 0 else { return }
    while isShrinking || nodes.contains(where: \.isOver), giveBackLasting(steps: &steps) {}
  }

  /// Free memory goes back until it is enough: single slots first, then arenas that hold nothing, and of those that are whole
  /// and hold something the ones that hold least.
  private mutating func giveBack(from node: Int?, steps: inout [Step], _ isEnough: (Pool) -> Bool) {
    guard !isEnough(self) else { return }
    givenBack += 1
    for id in arenas.ids where arenas[existing: id].commitment == .bySlot {
      giveBackSlots(id, node, steps: &steps, isEnough)
    }
    guard commitsExtents, !isEnough(self) else { return }
    for id in arenas.ids where isWhole(id, node) && arenas[existing: id].usedCount == 0 && !isEnough(self) {
      steps.append(.decommitArena(id))
      arenas[existing: id].commitment = .bySlot
      commit(-arenas[existing: id].decommitAll(), on: arenas[existing: id].node)
    }
    while !isEnough(self) {
      let partly = arenas.ids.filter { isWhole($0, node) && arenas[existing: $0].freeBytes > 0 }
      guard let id = partly.max(by: { arenas[existing: $0].freeBytes < arenas[existing: $1].freeBytes }) else { return }
      steps.append(.unpin(id))
      arenas[existing: id].commitment = .bySlot
      giveBackSlots(id, node, steps: &steps, isEnough)
    }
  }

  private func isWhole(_ id: ArenaID, _ node: Int?) -> Bool {
    arenas[existing: id].commitment == .whole && (node == nil || arenas[existing: id].node == node)
  }

  private mutating func giveBackSlots(_ id: ArenaID, _ node: Int?, steps: inout [Step], _ isEnough: (Pool) -> Bool) {
    let home = arenas[existing: id].node
    guard node == nil || node == home else { return }
    while !isEnough(self), let index = arenas[existing: id].decommitOne() {
      commit(-arenas[existing: id].slotBytes, on: home)
      steps.append(.decommit(SlotRef(arena: id, index: index)))
    }
  }

  /// Opens an arena that is committed as a whole, as far as there is room that nobody has to give back for it, and takes its
  /// first slot. Some room stays: what is needed now and then, like staging, takes no arena apart.
  mutating func openWhole(_ index: Int, _ id: ArenaID, steps: inout [Step]) -> SlotRef? {
    guard commitsExtents else { return nil }
    let (slotBytes, node) = (classes[index].slotBytes, classes[index].node)
    let room = commitRoom(on: node) - nodes[node].budgetBytes / Self.spareShare
    let wanted = min(extentBytes, nodes[node].budgetBytes) / slotBytes
    guard room / slotBytes >= max(1, wanted / 4) else { return nil }
    open(index, id, slotCount: min(wanted, room / slotBytes), .whole, steps: &steps)
    commit(arenas[existing: id].commitRest(), on: node)
    steps.append(.pin(id))
    return SlotRef(arena: id, index: arenas[existing: id].takeCommitted()!)
  }

  private static let spareShare = 16

  private func commitRoom(on node: Int) -> Int {
    min(limitBytes - committedBytes, nodes[node].limitBytes - nodes[node].committedBytes)
  }

  /// Makes one arena that was taken apart whole again, where that displaces nothing. Called once nothing has been given
  /// back for a while.
  mutating func mend(steps: inout [Step]) {
    guard commitsExtents else { return }
    for id in arenas.ids where arenas[existing: id].commitment == .bySlot && arenas[existing: id].usedCount > 0 {
      let (arena, spare) = (arenas[existing: id], nodes[arenas[existing: id].node].budgetBytes / Self.spareShare)
      let missing = arena.bytes - arena.committedBytes
      guard missing == 0 || missing <= commitRoom(on: arena.node) - spare else { continue }
      commit(arenas[existing: id].commitRest(), on: arena.node)
      arenas[existing: id].commitment = .whole
      classes[arena.slotClass].firstFree = min(classes[arena.slotClass].firstFree, arena.ordinal)
      peakBytes = max(peakBytes, committedBytes)
      steps.append(.pin(id))
      return
    }
  }

  // MARK: What is given back only whole

  /// Slots that fill whole huge pages, as many as fit; 0 for none.
  func hugeSlots(_ slotBytes: Int, atMost bytes: Int) -> Int {
    var (a, b) = (hugePageBytes, slotBytes)
    while b != 0 { (a, b) = (b, a % b) }
    let step = hugePageBytes / a
    return bytes / slotBytes / step * step
  }

  /// A slot in an arena that stays as it is, whoever uses it.
  mutating func takeLasting(_ tenant: TenantID, _ slotBytes: Int, _ near: Int) -> (slot: SlotRef, node: Int)? {
    guard lastingIdleBytes >= slotBytes else { return nil }
    for node in orders[near] ?? Array(nodes.indices) where nodes[node].lastingIdleBytes >= slotBytes {
      guard let index = find(tenant, slotBytes, node) else { continue }
      for id in classes[index].lasting {
        guard let slot = arenas[existing: id].takeCommitted() else { continue }
        lastingIdleBytes -= slotBytes
        nodes[node].lastingIdleBytes -= slotBytes
        return (SlotRef(arena: id, index: slot), node)
      }
    }
    return nil
  }

  /// Whether there is an arena with free slots now that will stay: as far as the node's share of such goes, and where nothing
  /// has to leave for it.
  mutating func openLasting(_ index: Int, _ newArena: ArenaID, steps: inout [Step]) -> Bool {
    let (slotBytes, node) = (classes[index].slotBytes, classes[index].node)
    let share = nodes[node].budgetBytes / lastingShare - nodes[node].lastingBytes
    let room = min(share, commitRoom(on: node), keepBytes - keptBytes, budgetBytes - heldBytes, nodes[node].freeBytes)
    let gone = classes[index].lasting.first { arenas[existing: $0].committedBytes == 0 }
    let count = gone.map { arenas[existing: $0].slotCount } ?? hugeSlots(slotBytes, atMost: min(room, extentBytes))
    guard count > 0, count * slotBytes <= room else { return false }
    if gone == nil { open(index, newArena, slotCount: count, .lasting, steps: &steps) }
    let id = gone ?? newArena
    let bytes = arenas[existing: id].commitRest()
    commit(bytes, on: node)
    lastingIdleBytes += bytes
    nodes[node].lastingIdleBytes += bytes
    nodes[node].lastingBytes += bytes
    steps.append(.pin(id))
    return true
  }

  /// Gives back one such arena that holds nothing; false where there is none.
  mutating func giveBackLasting(steps: inout [Step]) -> Bool {
    guard lastingIdleBytes > 0, let id = arenas.ids.first(where: { isIdleLasting($0) }) else { return false }
    let node = arenas[existing: id].node
    let bytes = arenas[existing: id].decommitAll()
    commit(-bytes, on: node)
    lastingIdleBytes -= bytes
    nodes[node].lastingIdleBytes -= bytes
    nodes[node].lastingBytes -= bytes
    limitBytes = max(budgetBytes, min(limitBytes, heldBytes))
    nodes[node].settle()
    steps.append(.decommitArena(id))
    return true
  }

  private func isIdleLasting(_ id: ArenaID) -> Bool {
    let arena = arenas[existing: id]
    return arena.commitment == .lasting && arena.usedCount == 0 && arena.committedBytes > 0
  }
}
