import CLinux
import Glibc
public import TierCore

/// Where what the system says of its nodes is read. The defaults are this machine's; tests give files of their own.
public struct NodeSources: Sendable {
  public var sysDirectory: String
  public var procDirectory: String

  public init(sysDirectory: String = "/sys", procDirectory: String = "/proc") {
    self.sysDirectory = sysDirectory
    self.procDirectory = procDirectory
  }
}

/// The NUMA nodes of a machine: their processors, their memory, how far they are from each other.
/// Format of what is read: https://docs.kernel.org/admin-guide/cputopology.html and Documentation/ABI/stable/sysfs-devices-node
public struct NodeTopology: Sendable {
  public struct Node: Sendable, Hashable {
    public let id: Int
    public let cpus: [Int]
    /// 0: it has none.
    public let memoryBytes: Int
    /// Whether this process may have memory there.
    public let isAllowed: Bool
  }

  /// By number; empty where the system does not say.
  public let nodes: [Node]
  public let distances: NodeDistances
  let sources: NodeSources

  /// A machine of which nothing is known.
  public static let unknown = NodeTopology(nodes: [], distances: .init(), sources: .init())

  init(nodes: [Node], distances: NodeDistances, sources: NodeSources) {
    (self.nodes, self.distances, self.sources) = (nodes, distances, sources)
  }

  /// Reads what the system says now.
  public static func read(_ sources: NodeSources = NodeSources()) -> NodeTopology {
    let directory = sources.sysDirectory + "/devices/system/node"
    let allowed = SystemText.line("Mems_allowed_list:", of: sources.procDirectory + "/self/status")
      .map(SystemText.numbers)
    let ids = SystemText.read(directory + "/online").map(SystemText.numbers) ?? []
    let nodes = ids.map { id in
      let path = "\(directory)/node\(id)"
      return Node(
        id: id, cpus: SystemText.read(path + "/cpulist").map(SystemText.numbers) ?? [],
        memoryBytes: memory(of: id, sources, isOnly: ids.count == 1)?.totalBytes ?? 0,
        isAllowed: allowed?.contains(id) ?? true)
    }
    var rows: [Int: [Int: Int]] = [:]
    for id in ids {
      // One distance for each node that is online, in order.
      let row = SystemText.read("\(directory)/node\(id)/distance")?.split(separator: " ").compactMap { Int($0) } ?? []
      rows[id] = Dictionary(zip(ids, row)) { first, _ in first }
    }
    return NodeTopology(nodes: nodes, distances: NodeDistances(rows), sources: sources)
  }

  public subscript(id: Int) -> Node? { nodes.first { $0.id == id } }

  /// Nodes that have memory this process may use.
  public var withMemory: [Node] { nodes.filter { $0.memoryBytes > 0 && $0.isAllowed } }

  /// Whether it makes a difference where memory is.
  public var isDivided: Bool { nodes.count { $0.memoryBytes > 0 } > 1 }

  public func node(ofCPU cpu: Int) -> Int? { nodes.first { $0.cpus.contains(cpu) }?.id }

  /// The node a PCI device is on (`0000:17:00.0`, as CUDA writes it too); nil where the system does not say.
  public func node(ofDevice address: String) -> Int? {
    let path = "\(sources.sysDirectory)/bus/pci/devices/\(address.lowercased())/numa_node"
    guard let node = SystemText.read(path).flatMap({ Int($0) }), node >= 0 else { return nil }
    return node
  }

  /// The node a process runs near: that of the processors it may use, where it is one, else that of the one it ran on last.
  public func node(ofProcess pid: Int32) -> Int? {
    var mask = [UInt64](repeating: 0, count: Int(TIERD_MAX_CPUS) / 64)
    let words = tierd_cpus_of_process(pid, &mask, mask.count)
    if words > 0 {
      let homes = nodes.filter { node in node.cpus.contains { mask[$0 / 64] >> UInt64($0 % 64) & 1 == 1 } }
      if homes.count == 1 { return homes[0].id }
    }
    guard let text = SystemText.read("\(sources.procDirectory)/\(pid)/stat"),
      let processor = SystemText.processor(inStat: text)
    else { return nil }
    return node(ofCPU: processor)
  }

  /// What a node has of memory, and what could be had there now without pushing anything else out.
  public func memory(of node: Int) -> (totalBytes: Int, availableBytes: Int)? {
    Self.memory(of: node, sources, isOnly: nodes.count == 1)
  }

  /// - Parameter isOnly: it is all there is, and what the machine says as a whole is the better word: a node's own counts leave
  ///   out what some hypervisors add later.
  private static func memory(
    of node: Int, _ sources: NodeSources, isOnly: Bool
  ) -> (totalBytes: Int, availableBytes: Int)? {
    if isOnly {
      func kibibytes(_ key: String) -> Int? {
        SystemText.line(key, of: sources.procDirectory + "/meminfo")?.split(separator: " ").first.flatMap { Int($0) }
      }
      if let total = kibibytes("MemTotal:"), let available = kibibytes("MemAvailable:") {
        return (total << 10, available << 10)
      }
    }
    guard let text = SystemText.read("\(sources.sysDirectory)/devices/system/node/node\(node)/meminfo") else {
      return nil
    }
    // `Node 0 MemFree:        123 kB`
    func bytes(_ key: String) -> Int? {
      for line in text.split(separator: "\n") {
        let words = line.split(separator: " ")
        if words.count > 3, words[2] == key { return Int(words[3]).map { $0 << 10 } }
      }
      return nil
    }
    guard let total = bytes("MemTotal:"), let free = bytes("MemFree:") else { return nil }
    // Files' pages and caches are given up as they are needed; half of them, since some are in use all the time.
    let files = (bytes("Active(file):") ?? 0) + (bytes("Inactive(file):") ?? 0) + (bytes("SReclaimable:") ?? 0)
    return (total, free + files / 2)
  }
}
