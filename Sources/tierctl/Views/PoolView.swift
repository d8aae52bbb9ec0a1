import ControlAPI

extension StatusView {
  /// The host tier by NUMA node.
  func pools(_ pools: [PoolStatus]) -> String {
    var table = Table([
      ("host pool", .left), ("used", .right), ("budget", .right), ("taken", .right), ("pinned", .right),
      ("pageable", .right), ("pages", .left), ("node has", .right), ("to be had", .right), ("", .left),
    ])
    for pool in pools {
      table.add([
        pool.name, Numbers.bytes(pool.usedBytes), Numbers.bytes(pool.budgetBytes), Numbers.bytes(pool.committedBytes),
        Numbers.bytes(pool.pinnedBytes), Numbers.bytes(pool.pageableBytes), pages(pool),
        pool.nodeBytes.map { Numbers.bytes($0) } ?? "–", pool.nodeAvailableBytes.map { Numbers.bytes($0) } ?? "–",
        pool.short ? "SHORT" : "",
      ])
    }
    return table.render()
  }

  /// `4 KiB`, or where there are several sizes how much in each.
  private func pages(_ pool: PoolStatus) -> String {
    guard pool.pages.count > 1 else { return pool.pages.first.map { Numbers.bytes($0.pageBytes) } ?? "–" }
    return pool.pages.map { "\(Numbers.bytes($0.pageBytes)): \(Numbers.bytes($0.bytes))" }.joined(separator: ", ")
  }
}
