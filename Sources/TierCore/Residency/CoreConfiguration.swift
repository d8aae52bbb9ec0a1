/// What the core is built with. Budgets may change later by `Event.setBudget`.
public struct CoreConfiguration: Sendable {
  /// 0: there is no device, the host is the compute tier.
  public var deviceBytes: Int
  public var hostBytes: Int
  /// 0: there is no disk tier.
  public var diskBytes: Int
  /// Size of one arena of memory, and so of what is registered and handed out at once.
  public var extentBytes: Int
  /// The same of the device tier, where that is other memory.
  public var deviceExtentBytes: Int
  /// The host's NUMA nodes, whose budgets add up to `hostBytes`; none where its memory may be anywhere.
  public var hostNodes: [MemoryNode] = []
  public var nodeDistances = NodeDistances()
  /// The node the device is nearest to: host memory for it comes from there first. Nil: near who uses it.
  public var deviceNode: Int?
  /// Host memory is registered with a device, and so taken and given back by extents.
  public var commitsHostExtents = false
  /// One part in so many of each node's budget is worth huge pages: it stays while memory is short. 0: there are none.
  public var hostLastingShare = 0
  public var hugePageBytes = 2 << 20
  /// Blocks being written to disk at once.
  public var writeDepth: Int
  /// Blocks being copied from device to host for eviction at once.
  public var demoteDepth: Int
  /// Sequences that may wait for admission.
  public var queueLimit: Int
  /// How long a session may hold blocks that others wait for.
  public var holdLimitMs: UInt64

  public init(
    deviceBytes: Int, hostBytes: Int, diskBytes: Int, extentBytes: Int = 256 << 20, writeDepth: Int = 16,
    demoteDepth: Int = 8, queueLimit: Int = 64, holdLimitMs: UInt64 = 30_000
  ) {
    self.deviceBytes = deviceBytes
    self.hostBytes = hostBytes
    self.diskBytes = diskBytes
    self.extentBytes = extentBytes
    deviceExtentBytes = extentBytes
    self.writeDepth = writeDepth
    self.demoteDepth = demoteDepth
    self.queueLimit = queueLimit
    self.holdLimitMs = holdLimitMs
  }
}
