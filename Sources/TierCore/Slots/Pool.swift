/// The memory of one tier: arenas, and who may use how much of it.
///
/// Bytes in use are of four kinds: *kept* (blocks chosen to stay), *ring* (blocks streaming to a sequence), *transit*
/// (blocks on their way to another tier) and *staging*. Rings, transit and staging are reserved when a sequence is
/// admitted, so kept blocks may use `budget - reserved`. What is committed never exceeds `limitBytes`, which is the
/// budget, or while a shrink is under way what is still in use.
struct Pool {
  let tier: Tier
  let extentBytes: Int
  private(set) var budgetBytes: Int
  private(set) var limitBytes: Int
  private(set) var usedBytes = 0
  private(set) var peakBytes = 0
  private(set) var committedBytes = 0
  /// Promised to admitted sequences: rings, transit, staging.
  var reservedBytes = 0
  var keptBytes = 0
  var ringBytes = 0
  var transitBytes = 0
  var transitLimitBytes = 0
  private(set) var arenas: [ArenaID: Arena] = [:]
  private var classes: [SlotClass: [ArenaID]] = [:]

  struct SlotClass: Hashable {
    let tenant: TenantID
    let slotBytes: Int
  }

  /// What the shell must do before it uses an allocated slot, in order.
  enum Step {
    case open(Arena)
    case decommit(SlotRef)
  }

  init(tier: Tier, budgetBytes: Int, extentBytes: Int) {
    self.tier = tier
    self.budgetBytes = budgetBytes
    self.limitBytes = budgetBytes
    self.extentBytes = extentBytes
  }

  /// What kept blocks may use.
  var keepBytes: Int { max(0, budgetBytes - reservedBytes) }
  var isShrinking: Bool { usedBytes > budgetBytes }
  func hasRoom(_ bytes: Int) -> Bool { usedBytes + bytes <= budgetBytes }

  /// A slot, or nil where the budget has no room for it. `newArena` gives an id for an arena that has to be opened.
  mutating func allocate(
    tenant: TenantID, slotBytes: Int, newArena: () -> ArenaID, steps: inout [Step]
  ) -> (slot: SlotRef, generation: UInt64)? {
    guard hasRoom(slotBytes) else { return nil }
    let slotClass = SlotClass(tenant: tenant, slotBytes: slotBytes)
    let slot =
      takeCommitted(slotClass) ?? takeUncommitted(slotClass, newArena: newArena, steps: &steps)
    usedBytes += slotBytes
    peakBytes = max(peakBytes, committedBytes)
    return (slot, arenas[slot.arena]!.nextGeneration(slot.index))
  }

  private mutating func takeCommitted(_ slotClass: SlotClass) -> SlotRef? {
    for id in classes[slotClass] ?? [] {
      if let index = arenas[id]!.takeCommitted() { return SlotRef(arena: id, index: index) }
    }
    return nil
  }

  private mutating func takeUncommitted(
    _ slotClass: SlotClass, newArena: () -> ArenaID, steps: inout [Step]
  ) -> SlotRef {
    makeCommitRoom(slotClass.slotBytes, steps: &steps)
    committedBytes += slotClass.slotBytes
    for id in classes[slotClass] ?? [] where arenas[id]!.hasUncommitted {
      return SlotRef(arena: id, index: arenas[id]!.takeUncommitted()!)
    }
    let arena = Arena(
      id: newArena(), tenant: slotClass.tenant, slotBytes: slotClass.slotBytes,
      slotCount: max(1, extentBytes / slotClass.slotBytes))
    arenas[arena.id] = arena
    classes[slotClass, default: []].append(arena.id)
    steps.append(.open(arena))
    return SlotRef(arena: arena.id, index: arenas[arena.id]!.takeUncommitted()!)
  }

  /// Free slots of other classes give their pages back until `bytes` more may be committed.
  private mutating func makeCommitRoom(_ bytes: Int, steps: inout [Step]) {
    guard committedBytes + bytes > limitBytes else { return }
    for id in arenas.keys.sorted() {
      while committedBytes + bytes > limitBytes, let index = arenas[id]!.decommitOne() {
        committedBytes -= arenas[id]!.slotBytes
        steps.append(.decommit(SlotRef(arena: id, index: index)))
      }
    }
    precondition(committedBytes + bytes <= limitBytes, "free slots cover what the budget has room for")
  }

  /// Takes a slot back; its pages go to the system where the tier is over its limit.
  mutating func free(_ slot: SlotRef, steps: inout [Step]) {
    let bytes = arenas[slot.arena]!.slotBytes
    usedBytes -= bytes
    precondition(usedBytes >= 0, "no slot is freed twice")
    arenas[slot.arena]!.putBack(slot.index)
    settle(steps: &steps)
  }

  /// Staging arenas are committed as a whole, outside the slot classes.
  mutating func takeStaging(_ bytes: Int, steps: inout [Step]) -> Bool {
    guard hasRoom(bytes) else { return false }
    makeCommitRoom(bytes, steps: &steps)
    usedBytes += bytes
    committedBytes += bytes
    peakBytes = max(peakBytes, committedBytes)
    return true
  }

  mutating func freeStaging(_ bytes: Int, steps: inout [Step]) {
    usedBytes -= bytes
    committedBytes -= bytes
    settle(steps: &steps)
  }

  /// Sets the budget. Where more is in use, the limit follows the use down, and never up again.
  mutating func setBudget(_ bytes: Int, steps: inout [Step]) {
    budgetBytes = bytes
    limitBytes = max(bytes, usedBytes)
    settle(steps: &steps)
  }

  private mutating func settle(steps: inout [Step]) {
    limitBytes = max(budgetBytes, min(limitBytes, usedBytes))
    guard committedBytes > limitBytes else { return }
    for id in arenas.keys.sorted() {
      while committedBytes > limitBytes, let index = arenas[id]!.decommitOne() {
        committedBytes -= arenas[id]!.slotBytes
        steps.append(.decommit(SlotRef(arena: id, index: index)))
      }
    }
  }

  func arenas(of tenant: TenantID) -> [ArenaID] {
    arenas.values.filter { $0.tenant == tenant }.map(\.id).sorted()
  }
}
