import ControlAPI
import Testing
import TierCore

@testable import ControlServer
@testable import DaemonConfig
@testable import tierctl
@testable import tierd

/// Host pools by node, as an operator gives and sees them.
@Suite struct PoolTests {
  private func configuration(_ text: String) throws -> DaemonConfiguration {
    let loader = ConfigurationLoader(uid: 0, environment: [:])
    return try loader.configuration(
      loader.layers(file: [:], flags: [.hostBudget: SettingValue(text, .flag)]))
  }

  @Test func aBudgetIsOneSizeOrOneForEachNode() throws {
    #expect(try configuration("2GiB").hostBudget == .total(2 << 30))
    let byNode = try configuration("node1=1GiB,node0=2GiB")
    #expect(byNode.hostBudgetBytes == 3 << 30 && byNode.isHostBudgetGiven)
    let loader = ConfigurationLoader(uid: 0, environment: [:])
    #expect(try loader.configuration(loader.layers(file: [:], flags: [:])).isHostBudgetGiven == false)
  }

  @Test(arguments: [
    ("node0=4GiB,node0=1GiB", "each node once"), ("node0=1KiB", "1 KiB of node0: 1 MiB is the least"),
    ("node0=", "no budget by node"), ("nodes", "no size"),
  ])
  func whatIsNoBudgetIsRefused(_ text: String, _ why: String) {
    let fault = #expect(throws: ConfigurationFault.self) { try configuration(text) }
    #expect(fault?.message.hasPrefix("--host-budget: ") == true && fault?.message.contains(why) == true)
  }

  private static let pools = [
    PoolStatus(
      node: 0, budgetBytes: 1 << 30, usedBytes: 512 << 20, committedBytes: 600 << 20, pinnedBytes: 600 << 20,
      pageableBytes: 0, pages: [.init(pageBytes: 4096, bytes: 536 << 20), .init(pageBytes: 2 << 20, bytes: 64 << 20)],
      nodeBytes: 8 << 30, nodeAvailableBytes: 2 << 30),
    PoolStatus(
      node: 1, budgetBytes: 1 << 30, usedBytes: 0, committedBytes: 0, pinnedBytes: 0, pageableBytes: 0, short: true),
  ]

  @Test func statusShowsEachPool() {
    let lines = StatusView(style: Style(unicode: true)).pools(Self.pools).split(separator: "\n")
    #expect(lines.count == 3)
    #expect(lines[1].contains("node0") && lines[1].contains("4 KiB: 536 MiB, 2 MiB: 64 MiB"))
    #expect(lines[2].hasPrefix("node1") && lines[2].hasSuffix("SHORT"))
  }

  @Test func metricsHaveEachPoolByItsNode() {
    var page = MetricsPage()
    PoolMetrics.render(Self.pools, &page)
    #expect(page.text.contains("tierd_pool_pinned_bytes{node=\"0\"} 629145600\n"))
    #expect(page.text.contains("tierd_pool_short{node=\"1\"} 1\n"))
    #expect(page.text.contains("tierd_pool_page_bytes{node=\"0\",page=\"2097152\"} 67108864\n"))
    #expect(!page.text.contains("tierd_node_memory_bytes{node=\"1\"}"))
  }

  @Test func aRequestByNodeIsOneOrTheOther() {
    let node = NodeBudget(node: 0, budgetBytes: 1)
    #expect(SetRequest(hostNodes: [node]).fault == nil)
    #expect(SetRequest(hostBudgetBytes: 1, hostNodes: [node]).fault != nil)
    #expect(SetRequest(hostNodes: []).fault != nil && SetRequest(hostNodes: [node, node]).fault != nil)
  }
}
