import TierCore

/// Everything about a simulation that its seed decides. Printed when it fails.
public struct Scenario: Sendable, CustomStringConvertible {
  static let slotBytes = 4096
  public let seed: UInt64
  public var deviceSlots: Int
  public var hostSlots: Int
  public var diskSlots: Int
  public var workers: Int
  public var tenants: Int
  public var steps: Int
  /// Where the daemon is started anew in mid-run, in one seed of three that has a disk; 0 never.
  public var restartAtStep: Int { seed % 3 == 0 && diskSlots > 0 && limits.watchedBlocks == 0 ? steps / 2 : 0 }
  /// Whether the memory outlives that.
  public var restartKeepsMemory: Bool { seed / 3 % 2 == 0 }
  /// The host's NUMA nodes with pools, and whether its memory is committed by extents; huge pages in bytes, 0 for none.
  public var hostNodes = 1
  public var commitsExtents = false
  public var hugePageSlots = 0
  /// One in this many; 0 never.
  public var faults: Faults
  public var limits = TenantScenario()

  public struct Faults: Sendable {
    public var readFails = 0
    public var readCorrupts = 0
    public var writeFails = 0
    public var workerVanishes = 0
    public var budgetChanges = 0
    public var recordsLost = 0
    public var copiesFail = 0
    public var evictions = 0
    public var allowanceChanges = 0
    public var nodeChanges = 0
  }

  public init(seed: UInt64) {
    self.seed = seed
    var random = SeededRandom(seed: seed)
    deviceSlots = random.once(in: 4) ? 0 : random.int(3...40)
    hostSlots = random.int(10...60)
    diskSlots = random.once(in: 8) ? 0 : random.int(20...400)
    workers = random.int(1...5)
    tenants = random.int(1...2)
    steps = random.int(200...1200)
    faults = Faults()
    drawFaults(&random)
    limits = TenantScenario(self, &random)
    // What a watched tenant has may go where the operator or the disk takes it.
    if limits.watchedBlocks > 0 {
      (faults.budgetChanges, faults.allowanceChanges, faults.evictions, faults.recordsLost) = (0, 0, 0, 0)
    }
    drawNodes(&random)
  }

  private mutating func drawFaults(_ random: inout SeededRandom) {
    guard !random.once(in: 4) else { return }
    faults.readFails = random.once(in: 2) ? random.int(4...40) : 0
    faults.readCorrupts = random.once(in: 2) ? random.int(4...40) : 0
    faults.writeFails = random.once(in: 2) ? random.int(4...40) : 0
    faults.workerVanishes = random.once(in: 2) ? random.int(20...300) : 0
    faults.budgetChanges = random.once(in: 2) ? random.int(20...200) : 0
    faults.recordsLost = random.once(in: 3) ? random.int(20...200) : 0
    faults.copiesFail = random.once(in: 4) ? random.int(10...100) : 0
    faults.evictions = random.once(in: 3) ? random.int(30...200) : 0
    faults.allowanceChanges = random.once(in: 2) ? random.int(20...200) : 0
  }

  private mutating func drawNodes(_ random: inout SeededRandom) {
    // A guarantee is of a tier as a whole: what is left over on nodes in pieces is nobody's.
    guard limits.watchedBlocks == 0 else { return }
    let hasFaults = faults.readFails + faults.writeFails + faults.budgetChanges + faults.allowanceChanges > 0
    hostNodes = random.once(in: 2) ? 1 : random.int(2...4)
    commitsExtents = random.once(in: 3)
    hugePageSlots = random.once(in: 4) ? random.int(1...3) : 0
    faults.nodeChanges = hasFaults && hostNodes > 1 && random.once(in: 2) ? random.int(20...200) : 0
  }

  public var description: String {
    "seed \(seed): device \(deviceSlots), host \(hostSlots), disk \(diskSlots) slots; \(workers) workers of "
      + "\(tenants) tenants; \(hostNodes) nodes\(commitsExtents ? ", by extents" : ""), \(hugePageSlots) slots a huge page; "
      + "\(steps) steps; \(faults); \(limits)"
  }
}
