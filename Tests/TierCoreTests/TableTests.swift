import Testing

@testable import TierCore

/// The core's own tables against what a dictionary would say.
@Suite struct TableTests {
  @Test func movesAreFoundByIdWhileOneOfThemStaysForEver() {
    var table = MoveTable()
    let stuck = table.add(.promote(7))
    var open: [(id: MoveID, handle: BlockHandle)] = []
    var seen: Set<MoveID> = [stuck]
    for handle in BlockHandle(0)..<1000 {
      let id = table.add(.write(handle))
      #expect(seen.insert(id).inserted, "an id is given once")
      open.append((id, handle))
      // From one to two hundred at once: the table has to grow.
      while open.count > (handle < 500 ? 1 : 200) {
        let (id, handle) = open.removeFirst()
        guard case .write(handle)? = table.remove(id) else {
          Issue.record("move \(handle) is another")
          return
        }
        #expect(table.remove(id) == nil, "a move ends once")
      }
    }
    guard case .promote(7)? = table.remove(stuck) else {
      Issue.record("the stuck move is gone")
      return
    }
    #expect(table.count == open.count)
  }

  @Test func waitersLeaveInTheOrderTheyCame() {
    var lists = WaitLists()
    for cell in 0..<4 { lists.append(Waiter(group: Int32(cell % 2), cell: cell), to: 3) }
    lists.append(Waiter(group: 9, cell: 9), to: 0)
    #expect(lists.handles == [0, 3])
    #expect(lists.popFirst(3, where: { $0.group == 1 })?.cell == 1)
    #expect(lists.of(3).map(\.cell) == [0, 2, 3])
    #expect(lists.popFirst(3)?.cell == 0)
    #expect(lists.popFirst(3, where: { $0.group == 1 })?.cell == 3)
    #expect(lists.popFirst(3, where: { $0.group == 1 }) == nil)
    #expect(lists.popFirst(3)?.cell == 2)
    #expect(lists.isEmpty(3) && !lists.isEmpty(0) && lists.isEmpty(100))
  }

  @Test func valuesAreFoundWhileOthersLeave() {
    var table = IDTable<Int32, Int>()
    for id in Int32(0)..<100 { table.append(Int(id) * 3, as: id) }
    for id in stride(from: Int32(0), to: 100, by: 3) { #expect(table.remove(id) == Int(id) * 3) }
    table[existing: 50] += 1
    for id in Int32(0)..<101 {
      let expected = id % 3 == 0 || id == 100 ? nil : Int(id) * 3 + (id == 50 ? 1 : 0)
      #expect(table[id] == expected)
    }
    #expect(table.remove(3) == nil)
  }

  @Test func slotsAreTakenAgainFromTheFirstArenaThatHasOne() {
    var pool = Pool(tier: .host, budgetBytes: 6 * 4096, extentBytes: 2 * 4096)
    var steps: [Pool.Step] = []
    var next: UInt32 = 1
    func take() -> SlotRef? {
      let got = pool.allocate(tenant: TenantID(0), slotBytes: 4096, newArena: ArenaID(next), steps: &steps)
      if got?.slot.arena == ArenaID(next) { next += 1 }
      return got?.slot
    }
    let slots = (0..<6).compactMap { _ in take() }
    #expect(slots.count == 6 && take() == nil)
    for slot in [slots[5], slots[1], slots[3]] { pool.free(slot, steps: &steps) }
    #expect([take(), take(), take()] == [slots[1], slots[3], slots[5]])
    #expect(Set(slots).count == 6)
  }
}
