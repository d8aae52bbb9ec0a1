import Testing

@testable import TierCore

/// Where a pool of several nodes puts slots.
@Suite struct NodePlacementTests {
  private static let slot = 4096
  /// Two pairs: 0 and 1 are near each other, 2 and 3 too.
  private static let distances = NodeDistances([
    0: [0: 10, 1: 12, 2: 21, 3: 21], 1: [0: 12, 1: 10, 2: 21, 3: 21], 2: [0: 21, 1: 21, 2: 10, 3: 12],
    3: [0: 21, 1: 21, 2: 12, 3: 10],
  ])

  /// A pool, and what it was asked for.
  private struct Taker {
    var pool: Pool
    var next: UInt32 = 1
    var steps: [Pool.Step] = []

    init(_ slots: [Int: Int], extents: Bool = false, extentSlots: Int = 4) {
      let nodes = slots.sorted { $0.key < $1.key }.map { MemoryNode(id: $0.key, budgetBytes: $0.value * slot) }
      pool = Pool(
        tier: .host, budgetBytes: nodes.reduce(0) { $0 + $1.budgetBytes }, extentBytes: extentSlots * slot,
        nodes: nodes, distances: distances, commitsExtents: extents)
    }

    /// The number of the node a slot came to be on.
    mutating func take(near node: Int? = nil, isKept: Bool = true, tenant: UInt32 = 0, slots: Int = 1) -> (
      Int, SlotRef
    )? {
      guard
        let got = pool.allocate(
          tenant: TenantID(tenant), slotBytes: slots * slot, near: pool.orders.place(of: node), isKept: isKept,
          newArena: ArenaID(next), steps: &steps)
      else { return nil }
      if got.slot.arena == ArenaID(next) { next += 1 }
      return (pool.nodes[pool.node(of: got.slot)].id!, got.slot)
    }
  }

  @Test func theNearestNodeComesFirstThenTheNextByDistance() {
    var taker = Taker([0: 2, 1: 2, 2: 2, 3: 2])
    let nodes = (0..<8).compactMap { _ in taker.take(near: 2)?.0 }
    #expect(nodes == [2, 2, 3, 3, 0, 0, 1, 1])
    let none = taker.take(near: 2)
    #expect(none == nil)
  }

  @Test func aNodeWithoutAPoolIsNearItsNeighbours() {
    var taker = Taker([0: 1, 3: 1])
    let nodes = (0..<2).compactMap { _ in taker.take(near: 2)?.0 }
    #expect(nodes == [3, 0])
  }

  @Test func whoIsNowhereGetsTheNodeWithTheMostRoom() {
    var taker = Taker([0: 2, 1: 3])
    let nodes = (0..<3).compactMap { _ in taker.take()?.0 }
    #expect(nodes == [1, 0, 1])
  }

  @Test func aShortNodeTakesOnlyWhatWasPromised() {
    var taker = Taker([0: 4, 1: 1])
    taker.pool.nodes[0].isShort = true
    let kept = (0..<2).map { _ in taker.take(near: 0)?.0 }
    #expect(kept == [1, nil], "kept blocks stay away from it")
    #expect(!taker.pool.hasKeepRoom(Self.slot) && taker.pool.hasRoom(Self.slot))
    let promised = taker.take(near: 0, isKept: false)?.0
    taker.pool.nodes[1].isShort = true
    let afterwards = taker.take(near: 0)?.0
    #expect(promised == 0 && afterwards == 0, "where all are short none is worse")
  }

  @Test func stagingIsNearAndInPiecesWhereItMust() throws {
    var taker = Taker([0: 3, 1: 3])
    var steps: [Pool.Step] = []
    let near = taker.pool.orders.place(of: 1)
    let first = try #require(taker.pool.takeStaging(2 * Self.slot, near: near, steps: &steps))
    #expect(first.map(\.node) == [1])
    let second = try #require(taker.pool.takeStaging(4 * Self.slot, near: near, steps: &steps))
    #expect(second.map(\.node) == [1, 0] && second.map(\.bytes) == [Self.slot, 3 * Self.slot])
    let third = taker.pool.takeStaging(Self.slot, near: near, steps: &steps)
    #expect(third == nil)
    taker.pool.freeStaging(second, steps: &steps)
    #expect(taker.pool.nodes.map(\.usedBytes) == [0, 2 * Self.slot])
  }

  @Test func aBudgetIsSplitToThePageAndNothingIsRoundedUp() {
    let parts = MemoryNode.split(100 << 20, weights: [3, 1, 0])
    #expect(parts == [75 << 20, 25 << 20, 0])
    for bytes in [1, 4095, 4096, 12_345_678, 1 << 40] {
      let parts = MemoryNode.split(bytes, weights: [7, 5, 9])
      #expect(parts.reduce(0, +) == bytes / 4096 * 4096 && parts.allSatisfy { $0 % 4096 == 0 && $0 >= 0 })
    }
  }

  // MARK: Extents

  @Test func anExtentThatHoldsNothingGoesBackWhole() throws {
    var taker = Taker([0: 16], extents: true)
    let slots = (0..<8).map { _ in taker.take()!.1 }
    #expect(taker.pool.committedBytes == 8 * Self.slot && Set(slots.map(\.arena)).count == 2)
    let pins = taker.steps.filter { if case .pin = $0 { true } else { false } }
    #expect(pins.count == 2)
    taker.steps = []
    for slot in slots[4...] { taker.pool.free(slot, steps: &taker.steps) }
    #expect(taker.steps.isEmpty && taker.pool.committedBytes == 8 * Self.slot)
    taker.pool.setBudget(4 * Self.slot, steps: &taker.steps)
    guard case .decommitArena(let id)? = taker.steps.first, taker.steps.count == 1 else {
      Issue.record("\(taker.steps)")
      return
    }
    #expect(id == slots[4].arena && taker.pool.committedBytes == 4 * Self.slot)
  }

  @Test func anExtentInUseIsTakenApartOnlyWhereItMustAndMendedLater() throws {
    var taker = Taker([0: 16], extents: true)
    let slots = (0..<4).map { _ in taker.take()!.1 }
    taker.pool.free(slots[3], steps: &taker.steps)
    taker.steps = []
    taker.pool.setBudget(3 * Self.slot, steps: &taker.steps)
    guard taker.steps.count == 2, case .unpin(let id) = taker.steps[0], case .decommit(let slot) = taker.steps[1] else {
      Issue.record("\(taker.steps)")
      return
    }
    #expect(id == slots[0].arena && slot == slots[3] && taker.pool.committedBytes == 3 * Self.slot)
    taker.steps = []
    taker.pool.mend(steps: &taker.steps)
    #expect(taker.steps.isEmpty, "there is no room for it")
    taker.pool.setBudget(16 * Self.slot, steps: &taker.steps)
    taker.pool.mend(steps: &taker.steps)
    guard taker.steps.count == 1, case .pin(id) = taker.steps[0] else {
      Issue.record("\(taker.steps)")
      return
    }
    #expect(taker.pool.committedBytes == 4 * Self.slot)
  }

  @Test func anotherTenantsExtentGivesWayToWhatThereIsRoomFor() throws {
    var taker = Taker([0: 16], extents: true)
    let slots = (0..<15).map { _ in taker.take()!.1 }
    for slot in slots[..<8] { taker.pool.free(slot, steps: &taker.steps) }
    let others = (0..<9).compactMap { _ in taker.take(tenant: 1)?.1 }
    let tooMany = taker.take(tenant: 1)
    #expect(others.count == 9 && tooMany == nil)
    #expect(taker.pool.committedBytes <= 16 * Self.slot)
  }

  // MARK: Huge pages

  @Test func whatStaysFillsWholeHugePagesWithinItsShare() throws {
    let nodes = [MemoryNode(id: 0, budgetBytes: 32 * Self.slot)]
    var pool = Pool(
      tier: .host, budgetBytes: 32 * Self.slot, extentBytes: 64 * Self.slot, nodes: nodes, lastingShare: 4,
      hugePageBytes: 3 * Self.slot)
    var steps: [Pool.Step] = []
    let first = try #require(
      pool.allocate(tenant: TenantID(0), slotBytes: Self.slot, isKept: true, newArena: ArenaID(1), steps: &steps))
    guard case .open(let arena)? = steps.first, case .pin? = steps.last else {
      Issue.record("\(steps)")
      return
    }
    // A quarter of 32 slots are 8, and 6 of them fill huge pages of 3.
    #expect(arena.commitment == .lasting && arena.slotCount == 6)
    #expect(pool.committedBytes == 6 * Self.slot && pool.lastingIdleBytes == 5 * Self.slot)
    let ring = try #require(
      pool.allocate(tenant: TenantID(0), slotBytes: Self.slot, newArena: ArenaID(2), steps: &steps))
    #expect(ring.slot.arena == ArenaID(2), "only what is kept comes there")
    pool.free(ring.slot, steps: &steps)
    steps = []
    pool.setBudget(4 * Self.slot, steps: &steps)
    #expect(pool.committedBytes == 6 * Self.slot, "in use it stays")
    steps = []
    pool.free(first.slot, steps: &steps)
    guard case .decommitArena(ArenaID(1))? = steps.last else {
      Issue.record("\(steps)")
      return
    }
    #expect(pool.committedBytes == 0)
  }
}
