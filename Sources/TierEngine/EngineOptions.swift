public import ControlAPI
public import TierCore
public import TierMemory

/// What a store is opened with.
public struct EngineOptions: Sendable {
  /// 0: no device; the host is the compute tier.
  public var deviceBytes: Int
  public var hostBytes: Int
  /// The host's pools, whose budgets add up to `hostBytes`; none where its memory may be anywhere.
  public var hostNodes: [MemoryNode] = []
  /// How host memory is had: where nodes are, whether it is locked, in which pages, what it is registered with.
  public var hostMemory = HostMemorySystem.Options()
  /// The node the device is on; nil where that is not known.
  public var deviceNode: Int?
  /// 0: no spill.
  public var diskBytes: Int
  /// Where the spill's files are; needed where `diskBytes` is not 0.
  public var spillDirectory: String?
  /// Whether there is no store without its spill. A daemon serves on without it, and tries again; a worker's own store
  /// tells whoever asked for it.
  public var needsSpill = false
  /// The device whose memory the device tier is made of; nil: the tier is emulated, in memory of the host.
  public var device: DeviceTier?
  /// Told that the device does not answer any more. The store cannot go on: whoever runs it starts it anew.
  public var deviceLost: @Sendable (DeviceError) -> Void = { _ in }
  /// Speed of the emulated device's link in each direction; nil for as fast as memory is.
  public var linkBytesPerSecond: Int?
  /// Keeps memory beyond the daemon's life; nil where nobody does.
  public var memoryKeeper: (any MemoryKeeper)?
  /// What was kept of an earlier life. The store's to close.
  public var keptMemory: [KeptDescriptor] = []
  /// For tests: of so many reads from disk one returns other bytes than are there.
  public var damagesOneReadIn: Int?
  /// For tests: the process crashes in the recovery of this segment of the spill.
  public var diesRecoveringSegment: UInt64?
  /// Where to look for memory pressure; nil: nowhere, the host tier keeps its budget.
  public var memorySources: MemorySources?
  /// Which users are whose, and what they may have.
  public var tenants = TenantTable()
  /// Told one line about each thing an operator should know.
  public var report: @Sendable (String) -> Void

  public init(
    deviceBytes: Int, hostBytes: Int, diskBytes: Int, spillDirectory: String? = nil, linkBytesPerSecond: Int? = nil,
    report: @escaping @Sendable (String) -> Void = { _ in }
  ) {
    self.deviceBytes = deviceBytes
    self.hostBytes = hostBytes
    self.diskBytes = diskBytes
    self.spillDirectory = spillDirectory
    self.linkBytesPerSecond = linkBytesPerSecond
    self.report = report
  }
}

extension EngineOptions {
  /// What the core is built with. The disk comes later, once its directory is open.
  var core: CoreConfiguration {
    var core = CoreConfiguration(deviceBytes: deviceBytes, hostBytes: hostBytes, diskBytes: 0)
    core.hostNodes = hostNodes
    core.nodeDistances = hostMemory.topology.distances
    core.deviceNode = deviceNode
    if let device {
      core.deviceExtentBytes = device.extentBytes(ofBudget: deviceBytes)
      core.demoteDepth = DeviceTier.demoteDepth
    }
    core.commitsHostExtents = hostMemory.registrar != nil
    // What the pressure on memory leaves a tier in any case (`PressurePolicy`).
    core.hostLastingShare = hostMemory.usesHugePages ? PressurePolicy.shareThatStays : 0
    return core
  }
}
