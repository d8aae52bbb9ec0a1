/// One cell of one sequence: who waits for a block.
struct Waiter: Equatable {
  let group: Int32
  let cell: Int
}

/// Who waits for a block to arrive on the compute tier, in the order they asked. Chains in one slab: to wait costs no
/// allocation.
struct WaitLists {
  private struct Link {
    var waiter: Waiter
    var next: Int32
  }
  /// First link by block handle; -1 where nobody waits.
  private var heads: [Int32] = []
  private var links: [Link] = []
  private var free: [Int32] = []

  func isEmpty(_ handle: BlockHandle) -> Bool { handle >= heads.count || heads[Int(handle)] < 0 }

  mutating func append(_ waiter: Waiter, to handle: BlockHandle) {
    while heads.count <= handle { heads.append(-1) }
    let index = take(Link(waiter: waiter, next: -1))
    guard var last = first(handle) else {
      heads[Int(handle)] = index
      return
    }
    while links[Int(last)].next >= 0 { last = links[Int(last)].next }
    links[Int(last)].next = index
  }

  private func first(_ handle: BlockHandle) -> Int32? { isEmpty(handle) ? nil : heads[Int(handle)] }

  private mutating func take(_ link: Link) -> Int32 {
    if let index = free.popLast() {
      links[Int(index)] = link
      return index
    }
    links.append(link)
    return Int32(links.count - 1)
  }

  /// Takes out the first waiter for which the condition holds.
  mutating func popFirst(_ handle: BlockHandle, where condition: (Waiter) -> Bool = { _ in true }) -> Waiter? {
    var previous: Int32 = -1
    var index = first(handle) ?? -1
    while index >= 0 {
      let link = links[Int(index)]
      if condition(link.waiter) {
        if previous < 0 { heads[Int(handle)] = link.next } else { links[Int(previous)].next = link.next }
        free.append(index)
        return link.waiter
      }
      previous = index
      index = link.next
    }
    return nil
  }

  func of(_ handle: BlockHandle) -> [Waiter] {
    var waiters: [Waiter] = []
    var index = first(handle) ?? -1
    while index >= 0 {
      waiters.append(links[Int(index)].waiter)
      index = links[Int(index)].next
    }
    return waiters
  }

  /// Blocks that someone waits for.
  var handles: [BlockHandle] { heads.indices.filter { heads[$0] >= 0 }.map { BlockHandle($0) } }
}
