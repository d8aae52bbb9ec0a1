/// The memory of one tier: arenas, and who may use how much of it.
///
/// Bytes in use are of four kinds: *kept* (blocks chosen to stay), *ring* (blocks streaming to a sequence), *transit*
/// (blocks on their way to another tier) and *staging*. Rings, transit and staging are reserved when a sequence is
/// admitted, so kept blocks may use `budget - reserved`. What is committed never exceeds `limitBytes`, which is the
/// budget, or while a shrink is under way what is still in use.
struct Pool {
  let tier: Tier
  let extentBytes: Int
  /// What the operator gave.
  var configuredBytes: Int
  /// What the machine has room for now; nil where it does not say.
  var allowanceBytes: Int?
  /// What is in force: what was given, less while memory is short.
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
  /// In slots of adopted arenas that have not been looked at yet.
  private(set) var adoptingBytes = 0
  private var arenas = IDTable<ArenaID, Arena>()
  private var classes: [SlotClass] = []
  /// Slots of one class are mostly asked for one after another.
  private var latestClass = 0

  /// The arenas whose slots one tenant may have at one size.
  private struct SlotClass {
    let tenant: TenantID
    let slotBytes: Int
    var arenas: [ArenaID] = []
    /// Arenas before this one have no committed slot free.
    var firstFree = 0
  }

  /// What the shell must do before it uses an allocated slot, in order.
  enum Step {
    case open(Arena)
    case decommit(SlotRef)
  }

  init(tier: Tier, budgetBytes: Int, extentBytes: Int) {
    self.tier = tier
    self.configuredBytes = budgetBytes
    self.budgetBytes = budgetBytes
    self.limitBytes = budgetBytes
    self.extentBytes = extentBytes
  }

  /// What kept blocks may use.
  var keepBytes: Int { max(0, budgetBytes - reservedBytes) }
  var isShrinking: Bool { usedBytes > budgetBytes }
  func hasRoom(_ bytes: Int) -> Bool { usedBytes + bytes <= budgetBytes }

  /// A slot, or nil where the budget has no room for it. `newArena` is the id of an arena that has to be opened.
  mutating func allocate(
    tenant: TenantID, slotBytes: Int, newArena: ArenaID, steps: inout [Step]
  ) -> (slot: SlotRef, generation: UInt64)? {
    guard hasRoom(slotBytes) else { return nil }
    let index = classIndex(tenant, slotBytes)
    let slot = takeCommitted(index) ?? takeUncommitted(index, newArena: newArena, steps: &steps)
    usedBytes += slotBytes
    peakBytes = max(peakBytes, committedBytes)
    return (slot, arenas[existing: slot.arena].nextGeneration(slot.index))
  }

  private mutating func classIndex(_ tenant: TenantID, _ slotBytes: Int) -> Int {
    func matches(_ entry: SlotClass) -> Bool { entry.tenant == tenant && entry.slotBytes == slotBytes }
    if latestClass < classes.count, matches(classes[latestClass]) { return latestClass }
    if let index = classes.firstIndex(where: matches) {
      latestClass = index
    } else {
      latestClass = classes.count
      classes.append(SlotClass(tenant: tenant, slotBytes: slotBytes))
    }
    return latestClass
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
    let slotBytes = classes[index].slotBytes
    makeCommitRoom(slotBytes, steps: &steps)
    committedBytes += slotBytes
    for id in classes[index].arenas where arenas[existing: id].hasUncommitted {
      return SlotRef(arena: id, index: arenas[existing: id].takeUncommitted()!)
    }
    let arena = Arena(
      id: newArena, tenant: classes[index].tenant, slotBytes: slotBytes, slotCount: max(1, extentBytes / slotBytes),
      slotClass: index, ordinal: classes[index].arenas.count)
    arenas.append(arena, as: newArena)
    classes[index].arenas.append(newArena)
    steps.append(.open(arena))
    return SlotRef(arena: newArena, index: arenas[existing: newArena].takeUncommitted()!)
  }

  /// Free slots of other classes give their pages back until `bytes` more may be committed.
  private mutating func makeCommitRoom(_ bytes: Int, steps: inout [Step]) {
    guard committedBytes + bytes > limitBytes else { return }
    for id in arenas.ids {
      while committedBytes + bytes > limitBytes, let index = arenas[existing: id].decommitOne() {
        committedBytes -= arenas[existing: id].slotBytes
        steps.append(.decommit(SlotRef(arena: id, index: index)))
      }
    }
    precondition(committedBytes + bytes <= limitBytes, "free slots cover what the budget has room for")
  }

  /// Takes a slot back; its pages go to the system where the tier is over its limit.
  mutating func free(_ slot: SlotRef, steps: inout [Step]) {
    let (bytes, slotClass, ordinal) = arenas[existing: slot.arena].putBack(slot.index)
    usedBytes -= bytes
    precondition(usedBytes >= 0, "no slot is freed twice")
    classes[slotClass].firstFree = min(classes[slotClass].firstFree, ordinal)
    settle(steps: &steps)
  }

  /// Takes over an arena with its held slots in use. More than the budget leaves as after a shrink.
  mutating func adopt(_ found: FoundArena) {
    let index = classIndex(found.tenant, found.slotBytes)
    let arena = Arena(found, slotClass: index, ordinal: classes[index].arenas.count)
    arenas.append(arena, as: found.id)
    classes[index].arenas.append(found.id)
    let bytes = found.held.count * found.slotBytes
    usedBytes += bytes
    committedBytes += bytes
    adoptingBytes += bytes
    limitBytes = max(limitBytes, usedBytes)
    peakBytes = max(peakBytes, committedBytes)
  }

  mutating func settleAdopted(_ slot: SlotRef) {
    adoptingBytes -= slotBytes(of: slot)
    precondition(adoptingBytes >= 0, "a slot is found once")
  }

  func slotBytes(of slot: SlotRef) -> Int { arenas[existing: slot.arena].slotBytes }
  func generation(of slot: SlotRef) -> UInt64 { arenas[existing: slot.arena].generations[Int(slot.index)] }

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
    for id in arenas.ids {
      while committedBytes > limitBytes, let index = arenas[existing: id].decommitOne() {
        committedBytes -= arenas[existing: id].slotBytes
        steps.append(.decommit(SlotRef(arena: id, index: index)))
      }
    }
  }

  func arenas(of tenant: TenantID) -> [ArenaID] {
    arenas.values.filter { $0.tenant == tenant }.map(\.id)
  }
}
