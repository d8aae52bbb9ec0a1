/// Slots of one size in one region of memory. A slot is fresh (never written), committed and free, decommitted (its
/// pages went back to the system), or used.
struct Arena {
  let id: ArenaID
  let tenant: TenantID
  let slotBytes: Int
  let slotCount: Int
  /// Its pool's class of slots, and its place among that class's arenas.
  let slotClass: Int
  let ordinal: Int
  /// Its place among its pool's nodes.
  let node: Int
  var commitment = ArenaPlace.Commitment.bySlot

  /// Counts assignments of each slot; readers compare it before they trust what they read.
  private(set) var generations: [UInt64]
  private(set) var committedFree: [UInt32] = []
  private(set) var usedCount = 0
  private var decommitted: [UInt32] = []
  private var nextFresh: UInt32 = 0

  init(
    id: ArenaID, tenant: TenantID, slotBytes: Int, slotCount: Int, slotClass: Int, ordinal: Int, node: Int = 0
  ) {
    precondition(slotBytes > 0 && slotCount > 0, "an arena has slots")
    self.id = id
    self.tenant = tenant
    self.slotBytes = slotBytes
    self.slotCount = slotCount
    self.slotClass = slotClass
    self.ordinal = ordinal
    self.node = node
    generations = [UInt64](repeating: 0, count: slotCount)
  }

  /// As an earlier life left it: what is not held has no pages.
  init(_ found: FoundArena, slotClass: Int, ordinal: Int, node: Int) {
    self.init(
      id: found.id, tenant: found.tenant, slotBytes: found.slotBytes, slotCount: found.generations.count,
      slotClass: slotClass, ordinal: ordinal, node: node)
    generations = found.generations
    let held = Set(found.held)
    decommitted = (0..<UInt32(slotCount)).reversed().filter { !held.contains($0) }
    nextFresh = UInt32(slotCount)
    usedCount = held.count
  }

  var bytes: Int { slotBytes * slotCount }
  var committedBytes: Int { (usedCount + committedFree.count) * slotBytes }
  var freeBytes: Int { committedFree.count * slotBytes }
  var hasUncommitted: Bool { !decommitted.isEmpty || nextFresh < slotCount }

  /// A free slot whose pages are in memory already.
  mutating func takeCommitted() -> UInt32? {
    guard let slot = committedFree.popLast() else { return nil }
    usedCount += 1
    return slot
  }

  /// A slot whose pages will come into memory once written.
  mutating func takeUncommitted() -> UInt32? {
    guard let slot = popUncommitted() else { return nil }
    usedCount += 1
    return slot
  }

  private mutating func popUncommitted() -> UInt32? {
    if let slot = decommitted.popLast() { return slot }
    guard nextFresh < slotCount else { return nil }
    defer { nextFresh += 1 }
    return nextFresh
  }

  mutating func putBack(
    _ slot: UInt32
  ) -> (slotBytes: Int, slotClass: Int, ordinal: Int, node: Int, isLasting: Bool) {
    committedFree.append(slot)
    usedCount -= 1
    return (slotBytes, slotClass, ordinal, node, commitment == .lasting)
  }

  /// Marks one committed free slot as decommitted; the caller sees to its pages.
  mutating func decommitOne() -> UInt32? {
    guard let slot = committedFree.popLast() else { return nil }
    decommitted.append(slot)
    return slot
  }

  /// Marks all that is not used as committed and free, the lowest to be taken first; answers the bytes that came.
  mutating func commitRest() -> Int {
    var come: [UInt32] = []
    while let slot = popUncommitted() { come.append(slot) }
    committedFree = come.reversed() + committedFree
    return come.count * slotBytes
  }

  /// Marks all of it as decommitted; answers the bytes that went. None of its slots may be used.
  mutating func decommitAll() -> Int {
    precondition(usedCount == 0, "memory in use stays")
    let went = freeBytes
    decommitted += committedFree.reversed()
    committedFree = []
    return went
  }

  mutating func nextGeneration(_ slot: UInt32) -> UInt64 {
    generations[Int(slot)] += 1
    return generations[Int(slot)]
  }
}
