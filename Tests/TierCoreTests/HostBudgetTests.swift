import Testing

@testable import TierCore

@Suite struct HostBudgetTests {
  @Test func oneSizeOrOneForEachNode() {
    #expect(HostBudget.parse("8GiB") == .total(8 << 30))
    #expect(
      HostBudget.parse("node0=4GiB, node1=512M")
        == .nodes([MemoryNode(id: 0, budgetBytes: 4 << 30), MemoryNode(id: 1, budgetBytes: 512 << 20)]))
  }

  @Test(arguments: [
    "", "node0", "node0=", "node0=4GiB,", "node0=1M,node0=1M", "0=4G", "node-1=4G", "node0=4G=5G", "nodeX=1G",
  ])
  func whatIsNeitherIsNone(_ text: String) { #expect(HostBudget.parse(text) == nil) }

  @Test func aNodeIsShortBelowItsReserveAndNoMoreAtTwice() {
    var watch = NodeWatch()
    let total = 4 << 30
    let reserve = NodeWatch.reserve(of: total)
    var changes = [watch.take([(0, total, reserve), (1, total, reserve)])]
    changes.append(watch.take([(0, total, reserve - 1), (1, total, reserve)]))
    #expect(watch.short == [0])
    changes.append(watch.take([(0, total, 2 * reserve - 1)]))
    #expect(watch.short == [0])
    changes.append(watch.take([(0, total, 2 * reserve)]))
    #expect(watch.short.isEmpty && changes == [false, true, false, true])
  }
}
