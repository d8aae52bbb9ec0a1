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
    faults = Self.drawFaults(&random)
    limits = TenantScenario(self, &random)
    // What a watched tenant has may go where the operator or the disk takes it.
    if limits.watchedBlocks > 0 {
      (faults.budgetChanges, faults.allowanceChanges, faults.evictions, faults.recordsLost) = (0, 0, 0, 0)
    }
  }

  private static func drawFaults(_ random: inout SeededRandom) -> Faults {
    var faults = Faults()
    guard !random.once(in: 4) else { return faults }
    faults.readFails = random.once(in: 2) ? random.int(4...40) : 0
    faults.readCorrupts = random.once(in: 2) ? random.int(4...40) : 0
    faults.writeFails = random.once(in: 2) ? random.int(4...40) : 0
    faults.workerVanishes = random.once(in: 2) ? random.int(20...300) : 0
    faults.budgetChanges = random.once(in: 2) ? random.int(20...200) : 0
    faults.recordsLost = random.once(in: 3) ? random.int(20...200) : 0
    faults.copiesFail = random.once(in: 4) ? random.int(10...100) : 0
    faults.evictions = random.once(in: 3) ? random.int(30...200) : 0
    faults.allowanceChanges = random.once(in: 2) ? random.int(20...200) : 0
    return faults
  }

  public var description: String {
    "seed \(seed): device \(deviceSlots), host \(hostSlots), disk \(diskSlots) slots; \(workers) workers of "
      + "\(tenants) tenants; \(steps) steps; \(faults); \(limits)"
  }
}
