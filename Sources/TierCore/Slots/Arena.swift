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

  /// Counts assignments of each slot; readers compare it before they trust what they read.
  private(set) var generations: [UInt64]
  private(set) var committedFree: [UInt32] = []
  private var decommitted: [UInt32] = []
  private var nextFresh: UInt32 = 0

  init(id: ArenaID, tenant: TenantID, slotBytes: Int, slotCount: Int, slotClass: Int, ordinal: Int) {
    precondition(slotBytes > 0 && slotCount > 0, "an arena has slots")
    self.id = id
    self.tenant = tenant
    self.slotBytes = slotBytes
    self.slotCount = slotCount
    self.slotClass = slotClass
    self.ordinal = ordinal
    generations = [UInt64](repeating: 0, count: slotCount)
  }

  /// As an earlier life left it: what is not held has no pages.
  init(_ found: FoundArena, slotClass: Int, ordinal: Int) {
    self.init(
      id: found.id, tenant: found.tenant, slotBytes: found.slotBytes, slotCount: found.generations.count,
      slotClass: slotClass, ordinal: ordinal)
    generations = found.generations
    let held = Set(found.held)
    decommitted = (0..<UInt32(slotCount)).reversed().filter { !held.contains($0) }
    nextFresh = UInt32(slotCount)
  }

  var hasUncommitted: Bool { !decommitted.isEmpty || nextFresh < slotCount }

  /// A free slot whose pages are in memory already.
  mutating func takeCommitted() -> UInt32? { committedFree.popLast() }

  /// A slot whose pages will come into memory once written.
  mutating func takeUncommitted() -> UInt32? {
    if let slot = decommitted.popLast() { return slot }
    guard nextFresh < slotCount else { return nil }
    defer { nextFresh += 1 }
    return nextFresh
  }

  mutating func putBack(_ slot: UInt32) -> (slotBytes: Int, slotClass: Int, ordinal: Int) {
    committedFree.append(slot)
    return (slotBytes, slotClass, ordinal)
  }

  /// Marks one committed free slot as decommitted; the caller sees to its pages.
  mutating func decommitOne() -> UInt32? {
    guard let slot = committedFree.popLast() else { return nil }
    decommitted.append(slot)
    return slot
  }

  mutating func nextGeneration(_ slot: UInt32) -> UInt64 {
    generations[Int(slot)] += 1
    return generations[Int(slot)]
  }
}
