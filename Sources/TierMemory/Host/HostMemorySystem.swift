import CLinux
import Glibc
import Synchronization
import TierCore

/// Makes the host tier's memory: on which node, locked or not, in pages of which size. What it cannot do it says, once for
/// each thing, and does without.
public final class HostMemorySystem: Sendable {
  public struct Options: Sendable {
    public var topology = NodeTopology.unknown
    /// Whether memory is to stay in memory.
    public var locks = false
    /// Whether memory that is given back only whole is to be in huge pages.
    public var usesHugePages = false
    public var registrar: (any HostRegistrar)?
    /// That work on bringing memory in, at most.
    public var threadsPerNode = 8

    public init() {}
  }

  /// What an operator is told.
  enum Note: Hashable {
    case cannotBind(node: Int, errno: Int32)
    case cannotLock(errno: Int32)
    case cannotPopulate(node: Int?, errno: Int32)
    case cannotRegister(String)

    var message: String {
      switch self {
      case .cannotBind(let node, let code):
        "host memory cannot be bound to NUMA node \(node): \(String(cString: strerror(code))); it comes from wherever there "
          + "is some"
      case .cannotLock(let code):
        "host memory cannot be locked and stays pageable: \(String(cString: strerror(code))); raise LimitMEMLOCK= "
          + "(ulimit -l), which is \(HostMemorySystem.lockLimit) now, or give CAP_IPC_LOCK"
      case .cannotPopulate(let node, let code):
        "host memory \(node.map { "of NUMA node \($0) " } ?? "")could not be brought in ahead: "
          + "\(String(cString: strerror(code))); it comes as it is used"
      case .cannotRegister(let why): "the device does not take host memory, and copies it more slowly: \(why)"
      }
    }
  }

  let options: Options
  private let report: @Sendable (String) -> Void
  private let told = Mutex<Set<Note>>([])

  public init(_ options: Options, report: @escaping @Sendable (String) -> Void) {
    (self.options, self.report) = (options, report)
  }

  var registrar: (any HostRegistrar)? { options.registrar }
  /// Whether there is a device that host memory is registered with.
  public var registers: Bool { options.registrar != nil }
  var threadsPerNode: Int { options.threadsPerNode }
  var measuresPages: Bool { options.usesHugePages }

  /// The processors of a node, or of the nearest one that has some; none where it does not matter.
  public func cpus(near node: Int?) -> [Int] {
    guard let node else { return [] }
    let topology = options.topology
    let withCPUs = topology.nodes.filter { !$0.cpus.isEmpty }.map(\.id)
    return topology.distances.nearest(to: node, among: withCPUs).first.flatMap { topology[$0]?.cpus } ?? []
  }

  /// New memory of blocks.
  /// - Parameter isLasting: it is given back only whole.
  public func make(
    name: String, sizeBytes: Int, node: Int?, isLasting: Bool
  ) throws(MemoryError) -> HostMemory {
    if isLasting, options.usesHugePages {
      if let file = MemoryFile(huge: name, sizeBytes: sizeBytes) {
        var use = place(file, node)
        // Of the system's reserve, which may be on other nodes: what cannot come now would end a later access.
        if tierd_populate(file.base, sizeBytes) == 0 {
          (use.pageBytes, use.hugeBytes) = (MemoryFile.hugePageBytes, sizeBytes)
          return HostMemory(file: file, node: node, use: use, system: self)
        }
      }
      let file = try MemoryFile(name: name, sizeBytes: sizeBytes)
      file.preferHugePages()
      return HostMemory(file: file, node: node, use: place(file, node), system: self)
    }
    let file = try MemoryFile(name: name, sizeBytes: sizeBytes)
    return HostMemory(file: file, node: node, use: place(file, node), system: self)
  }

  /// Memory made before, in this process or another; what of it is elsewhere is moved to its node.
  public func adopt(_ file: MemoryFile, node: Int?) -> HostMemory {
    HostMemory(file: file, node: node, use: place(file, node, moves: true), system: self)
  }

  /// A worker's staging arena. Near its node, and from elsewhere where there is nothing: a worker that writes to it must not
  /// be the one who finds the node empty.
  public func makeStaging(
    name: String, sizeBytes: Int, shares: [(node: Int?, bytes: Int)]
  ) throws(MemoryError) -> HostMemory {
    let file = try MemoryFile(name: name, sizeBytes: sizeBytes)
    var offset = 0
    for share in shares {
      if let node = share.node, options.topology.isDivided, offset + share.bytes <= sizeBytes {
        if tierd_prefer_memory(file.base + offset, share.bytes, Int32(node)) != 0 {
          note(.cannotBind(node: node, errno: errno))
        }
      }
      offset += share.bytes
    }
    var use = HostMemoryUse()
    use.isLocked = lock(file)
    return HostMemory(file: file, node: shares.first?.node, use: use, system: self)
  }

  private func place(_ file: MemoryFile, _ node: Int?, moves: Bool = false) -> HostMemoryUse {
    if let node, options.topology.isDivided, tierd_bind_memory(file.base, file.sizeBytes, Int32(node), moves) != 0 {
      note(.cannotBind(node: node, errno: errno))
    }
    var use = HostMemoryUse()
    use.isLocked = lock(file)
    return use
  }

  private func lock(_ file: MemoryFile) -> Bool {
    guard options.locks else { return false }
    if tierd_lock_on_fault(file.base, file.sizeBytes) == 0 { return true }
    note(.cannotLock(errno: errno))
    return false
  }

  func note(_ note: Note) {
    if told.withLock({ $0.insert(note).inserted }) { report(note.message) }
  }

  private static var lockLimit: String {
    let bytes = tierd_lock_limit()
    return bytes < 0 ? "unlimited" : ByteCount.text(Int(bytes))
  }

  /// Whether the system has pages of that kind at all: reserved ones, or such as come in by themselves for shared memory.
  public static func hasHugePages(_ sources: NodeSources = NodeSources()) -> Bool {
    let reserved =
      SystemText.read(
        sources.sysDirectory + "/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"
      ).flatMap { Int($0) } ?? 0
    let shared = SystemText.read(sources.sysDirectory + "/kernel/mm/transparent_hugepage/shmem_enabled") ?? ""
    return reserved > 0 || ["[always]", "[advise]", "[within_size]", "[force]"].contains { shared.contains($0) }
  }
}
