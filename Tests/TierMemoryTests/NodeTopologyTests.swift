import Foundation
import Testing
import TierCore

@testable import TierMemory

/// A machine's nodes, made up.
private final class FakeNodes {
  let sources: NodeSources
  private let root: String

  init(online: String, allowed: String) throws {
    root = NSTemporaryDirectory() + "tierd-nodes-" + UUID().uuidString
    sources = NodeSources(sysDirectory: root + "/sys", procDirectory: root + "/proc")
    try write("sys/devices/system/node/online", online)
    try write("proc/self/status", "Name:\tx\nMems_allowed:\t3\nMems_allowed_list:\t\(allowed)")
  }

  deinit { try? FileManager.default.removeItem(atPath: root) }

  func add(_ id: Int, cpus: String, totalKiB: Int, freeKiB: Int = 0, fileKiB: Int = 0, distance: String) throws {
    let path = "sys/devices/system/node/node\(id)/"
    try write(path + "cpulist", cpus)
    try write(path + "distance", distance)
    try write(
      path + "meminfo",
      """
      Node \(id) MemTotal:       \(totalKiB) kB
      Node \(id) MemFree:        \(freeKiB) kB
      Node \(id) Active(file):   \(fileKiB) kB
      Node \(id) Inactive(file): \(fileKiB) kB
      """)
  }

  func write(_ path: String, _ text: String) throws {
    let whole = root + "/" + path
    try FileManager.default.createDirectory(
      atPath: (whole as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    try (text + "\n").write(toFile: whole, atomically: false, encoding: .utf8)
  }
}

@Suite struct NodeTopologyTests {
  private static let gib = 1 << 20

  /// Two nodes of 4 and 2 GiB, one without processors, one without memory, one not allowed.
  private func machine() throws -> FakeNodes {
    let fake = try FakeNodes(online: "0-2,4-5", allowed: "0-4")
    try fake.add(0, cpus: "0-1,8", totalKiB: 4 * Self.gib, freeKiB: Self.gib, fileKiB: 1024, distance: "10 12 21 21 30")
    try fake.add(1, cpus: "2-3", totalKiB: 2 * Self.gib, distance: "12 10 21 21 30")
    try fake.add(2, cpus: "", totalKiB: Self.gib, distance: "21 21 10 12 30")
    try fake.add(4, cpus: "4-5", totalKiB: 0, distance: "21 21 12 10 30")
    try fake.add(5, cpus: "6-7", totalKiB: Self.gib, distance: "30 30 30 30 10")
    return fake
  }

  @Test func nodesAreReadAsTheSystemTells() throws {
    let fake = try machine()
    let topology = NodeTopology.read(fake.sources)
    #expect(topology.nodes.map(\.id) == [0, 1, 2, 4, 5])
    #expect(topology[0]?.cpus == [0, 1, 8] && topology[2]?.cpus == [])
    #expect(topology.withMemory.map(\.id) == [0, 1, 2])
    #expect(topology.isDivided)
    #expect(topology.node(ofCPU: 8) == 0 && topology.node(ofCPU: 5) == 4 && topology.node(ofCPU: 99) == nil)
    #expect(topology.distances.nearest(to: 4, among: [0, 1, 2]) == [2, 0, 1])
    let memory = try #require(topology.memory(of: 0))
    #expect(memory.totalBytes == 4 << 30 && memory.availableBytes == (1 << 30) + (1 << 20))
  }

  @Test func aTotalIsSharedOutOverNodesWithProcessors() throws {
    let fake = try machine()
    let pools = try NodeTopology.read(fake.sources).pools(.total(300 << 20))
    #expect(pools == [MemoryNode(id: 0, budgetBytes: 200 << 20), MemoryNode(id: 1, budgetBytes: 100 << 20)])
  }

  @Test func aNodeWithoutProcessorsIsUsedWhereItIsNamed() throws {
    let fake = try machine()
    let wanted = [MemoryNode(id: 2, budgetBytes: 64 << 20)]
    #expect(try NodeTopology.read(fake.sources).pools(.nodes(wanted)) == wanted)
  }

  @Test(arguments: [
    (HostBudget.total(7 << 30), "the machine has 6 GiB of memory, and the host tier was given 7 GiB: give it less"),
    (
      .nodes([MemoryNode(id: 0, budgetBytes: 5 << 30)]),
      "NUMA node 0 has 4 GiB of memory, and was given 5 GiB: give it less"
    ),
    (.nodes([MemoryNode(id: 3, budgetBytes: 1)]), "there is no NUMA node 3: with memory there are node0, node1, node2"),
    (
      .nodes([MemoryNode(id: 4, budgetBytes: 1)]),
      "NUMA node 4 has no memory: with memory there are node0, node1, node2"
    ),
    (
      .nodes([MemoryNode(id: 5, budgetBytes: 1)]),
      "this process may have no memory of NUMA node 5 (cpuset, AllowedMemoryNodes=)"
    ),
  ])
  func whatIsNotThereIsRefusedInOneLine(_ budget: HostBudget, _ message: String) throws {
    let fake = try machine()
    #expect(throws: NodeFault(message: message)) { try NodeTopology.read(fake.sources).pools(budget) }
  }

  @Test func aDevicesNodeComesFromItsAddress() throws {
    let fake = try machine()
    try fake.write("sys/bus/pci/devices/0000:17:00.0/numa_node", "1")
    try fake.write("sys/bus/pci/devices/0000:18:00.0/numa_node", "-1")
    let topology = NodeTopology.read(fake.sources)
    #expect(topology.node(ofDevice: "0000:17:00.0") == 1)
    #expect(topology.node(ofDevice: "0000:18:00.0") == nil && topology.node(ofDevice: "0000:19:00.0") == nil)
  }

  @Test func aMachineThatSaysNothingHasNoNodes() throws {
    let topology = NodeTopology.read(NodeSources(sysDirectory: "/nowhere", procDirectory: "/nowhere"))
    #expect(topology.nodes.isEmpty && !topology.isDivided)
    #expect(try topology.pools(.total(1 << 50)).isEmpty)
  }

  @Test func theOnlyNodeHasWhatTheMachineHas() throws {
    let fake = try FakeNodes(online: "0", allowed: "0")
    try fake.add(0, cpus: "0-3", totalKiB: Self.gib, distance: "10")
    try fake.write("proc/meminfo", "MemTotal:  \(2 * Self.gib) kB\nMemFree: 1 kB\nMemAvailable:  \(Self.gib) kB")
    let memory = try #require(NodeTopology.read(fake.sources).memory(of: 0))
    #expect(memory.totalBytes == 2 << 30 && memory.availableBytes == 1 << 30)
  }

  @Test func aProcessorIsFoundBehindAnyName() {
    let rest = (3...60).map(String.init).joined(separator: " ")
    #expect(SystemText.processor(inStat: "7 (a) b) (c) \(rest)") == 39)
    #expect(SystemText.processor(inStat: "7 (x) 1 2") == nil)
    #expect(SystemText.numbers("0-2,7,x,9-8,-1") == [0, 1, 2, 7, 1])
  }

  @Test func thisProcessIsSomewhere() throws {
    let topology = NodeTopology.read()
    guard topology.nodes.count == 1 else { return }
    #expect(topology.node(ofProcess: getpid()) == topology.nodes[0].id)
  }
}
