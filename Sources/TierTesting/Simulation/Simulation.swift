public import TierCore

/// Drives the residency core from a seed, with every fault there is, and checks its promises after each event.
///
/// Safety is checked while faults happen; liveness after they were switched off: every worker finishes what it began.
public struct Simulation {
  public struct Failure: Error, CustomStringConvertible {
    public let scenario: Scenario
    public let step: Int
    public let what: String
    public var description: String { "\(what) at step \(step)\n\(scenario)" }
  }

  public struct Result: Sendable {
    public var events = 0
    public var sequences = 0
    public var refusals = 0
    public var statistics = StoreStatistics()
  }

  let scenario: Scenario
  var random: SeededRandom
  var core: ResidencyCore
  var shell: SimulatedShell
  var workers: [SimulatedWorker] = []
  private var lastSession: UInt64 = 0
  private var nowMs: UInt64 = 0
  private var result = Result()
  private var steps = 0
  private let slotBytes = Scenario.slotBytes
  var watch = TenantWatch()
  /// After a restart: records the spill has not found yet.
  private var untold: [BlockKey] = []
  /// The same of slots that outlived it.
  private var unseen: [SlotRef] = []
  private var isRecovering = false

  private init(_ scenario: Scenario) {
    self.scenario = scenario
    random = SeededRandom(seed: scenario.seed ^ 0x5EED)
    core = Self.makeCore(scenario, slotBytes)
    shell = SimulatedShell(diskCapBytes: scenario.diskSlots * slotBytes)
  }

  private static func makeCore(_ scenario: Scenario, _ slotBytes: Int) -> ResidencyCore {
    var configuration = CoreConfiguration(
      deviceBytes: scenario.deviceSlots * slotBytes, hostBytes: scenario.hostSlots * slotBytes,
      diskBytes: scenario.diskSlots * slotBytes, extentBytes: 16 * slotBytes, writeDepth: 4, demoteDepth: 3,
      queueLimit: 4)
    configuration.commitsHostExtents = scenario.commitsExtents
    configuration.hostLastingShare = scenario.hugePageSlots > 0 ? 4 : 0
    configuration.hugePageBytes = max(1, scenario.hugePageSlots) * slotBytes
    if scenario.hostNodes > 1 {
      let weights = (0..<scenario.hostNodes).map { 1 + $0 % 2 }
      let parts = MemoryNode.split(configuration.hostBytes, weights: weights)
      // Node 0 has no pool, as one without memory.
      configuration.hostNodes = parts.enumerated().map { MemoryNode(id: $0 + 1, budgetBytes: $1) }
      let ids = 0...scenario.hostNodes
      configuration.nodeDistances = NodeDistances(
        Dictionary(
          uniqueKeysWithValues: ids.map { a in
            (a, Dictionary(uniqueKeysWithValues: ids.map { b in (b, 10 + 5 * abs(a - b)) }))
          }))
      if scenario.seed % 2 == 0 { configuration.deviceNode = Int(scenario.seed / 2) % (scenario.hostNodes + 1) }
    }
    return ResidencyCore(configuration)
  }

  public static func run(_ scenario: Scenario) throws(Failure) -> Result {
    var simulation = Simulation(scenario)
    try simulation.run()
    simulation.result.statistics = simulation.core.statisticsNow()
    return simulation.result
  }

  private mutating func run() throws(Failure) {
    try setTenants(scenario.limits.policy)
    if scenario.limits.watchedBlocks > 0 { try readWatched() }
    for _ in 0..<scenario.workers { try connect() }
    while steps < scenario.steps {
      try step(scenario.faults) { _ in true }
      try injectEvents()
    }
    if isRecovering { try endRecovery() }
    try finishEverything()
    try checkRestart()
  }

  private mutating func connect() throws(Failure) {
    try connect(TenantID(UInt32(random.int(1...scenario.tenants))))
  }

  mutating func connect(_ tenant: TenantID) throws(Failure) {
    lastSession += 1
    workers.append(SimulatedWorker(session: SessionID(lastSession), tenant: tenant))
    try handle(.connected(SessionID(lastSession), tenant))
    guard scenario.hostNodes > 1 else { return }
    let node = random.once(in: 4) ? nil : random.int(0...scenario.hostNodes)
    try handle(.located(SessionID(lastSession), node: node))
  }

  /// One thing happens: a worker acts, or a move ends.
  mutating func step(_ faults: Scenario.Faults, mayOpen: (SimulatedWorker) -> Bool) throws(Failure) {
    steps += 1
    if random.once(in: 2), let event = shell.finishOne(&random, faults) {
      try handle(event)
      return
    }
    let index = Int.random(in: 0..<workers.count, using: &random)
    guard let request = workers[index].act(&random, &shell, mayOpen: mayOpen(workers[index])) else { return }
    try handle(.request(workers[index].session, request))
  }

  private mutating func injectEvents() throws(Failure) {
    let faults = scenario.faults
    if random.once(in: faults.workerVanishes) {
      let gone = workers.remove(at: Int.random(in: 0..<workers.count, using: &random))
      try handle(.disconnected(gone.session))
      try connect()
    }
    if random.once(in: faults.budgetChanges) { try changeBudget() }
    if random.once(in: faults.allowanceChanges) { try changeAllowance() }
    if random.once(in: scenario.limits.changes) { try setTenants(TenantScenario.policy(scenario, &random)) }
    if random.once(in: faults.nodeChanges) { try changeNodes() }
    if random.once(in: faults.recordsLost), let key = shell.loseRecord(&random) { try handle(.recordLost(key)) }
    if random.once(in: faults.evictions) { try handle(.evict(random.once(in: 2) ? .idleToDisk : .idleEverywhere)) }
    if steps == scenario.restartAtStep { try restart() }
    if isRecovering { try recoverSome() }
    if random.once(in: 20) {
      nowMs += UInt64(random.int(1...1500))
      try handle(.tick(nowMs: nowMs))
    }
  }

  /// The daemon starts anew over what is on disk; the spill finds it bit by bit while new workers are at work.
  private mutating func restart() throws(Failure) {
    core = Self.makeCore(scenario, slotBytes)
    shell.restart(keepsMemory: scenario.restartKeepsMemory)
    workers = []
    untold = shell.disk.keys.sorted {
      ($0.id.a, $0.layer, $0.tenant.rawValue) < ($1.id.a, $1.layer, $1.tenant.rawValue)
    }
    untold.shuffle(using: &random)
    isRecovering = true
    try setTenants(scenario.limits.policy)
    try handle(.recoveryBegan)
    for arena in shell.foundArenas() {
      unseen += arena.held.map { SlotRef(arena: arena.id, index: $0) }
      try handle(.arenaFound(arena))
    }
    unseen.shuffle(using: &random)
    try handle(.tick(nowMs: nowMs))
    for _ in 0..<scenario.workers { try connect() }
  }

  private mutating func recoverSome() throws(Failure) {
    // In every second run so slowly that who waits has waited long enough, and computes what is found later.
    let isSlow = scenario.seed % 2 == 0
    guard random.once(in: isSlow ? 40 : 15) else { return }
    for slot in unseen.suffix(3) { try handle(shell.lookAt(slot, &random)) }
    unseen.removeLast(min(3, unseen.count))
    guard !untold.isEmpty || !unseen.isEmpty else { return try endRecovery() }
    guard !untold.isEmpty else { return }
    try tell(random.int(1...(isSlow ? 3 : untold.count)))
  }

  private mutating func tell(_ count: Int) throws(Failure) {
    let keys = untold.suffix(count)
    untold.removeLast(keys.count)
    try handle(.recovered(keys.compactMap { key in shell.disk[key].map { record(key, $0) } }))
  }

  private mutating func endRecovery() throws(Failure) {
    if !untold.isEmpty { try tell(untold.count) }
    for slot in unseen { try handle(shell.lookAt(slot, &random)) }
    unseen = []
    isRecovering = false
    try handle(.recoveryEnded)
  }

  private func record(_ key: BlockKey, _ record: SimulatedShell.Record) -> DiskRecord {
    let layouts = [512, 1024].map { BlockLayout(element: .f32, kvHeads: 1, headDim: 1, blockTokens: $0)! }
    return DiskRecord(
      key: key, layout: layouts[key.id.c == 4096 ? 0 : 1], checksum: record.checksum, storedBytes: record.storedBytes)
  }

  private mutating func changeBudget() throws(Failure) {
    let tier: Tier = scenario.deviceSlots > 0 && random.once(in: 2) ? .device : .host
    let full = tier == .device ? scenario.deviceSlots : scenario.hostSlots
    try handle(.setBudget(tier, bytes: random.int(full / 2...full) * slotBytes))
  }

  /// The machine is short of memory, even of all, or is no longer. What it says last holds to the end of the run.
  private mutating func changeAllowance() throws(Failure) {
    let tier: Tier = scenario.deviceSlots > 0 && random.once(in: 3) ? .device : .host
    let full = tier == .device ? scenario.deviceSlots : scenario.hostSlots
    try handle(.setAllowance(tier, bytes: random.once(in: 3) ? nil : random.int(0...full) * slotBytes))
  }

  /// Nodes run short, and an operator gives each another part.
  private mutating func changeNodes() throws(Failure) {
    if random.once(in: 3) {
      let parts = (1...scenario.hostNodes).map { _ in random.int(1...4) }
      let slots = random.int(scenario.hostSlots / 2...scenario.hostSlots)
      let budgets = MemoryNode.split(slots * slotBytes, weights: parts)
      try handle(.setNodeBudgets(budgets.enumerated().map { MemoryNode(id: $0 + 1, budgetBytes: $1) }))
    } else {
      try handle(.setShortNodes(Set((1...scenario.hostNodes).filter { _ in random.once(in: 3) })))
    }
  }

  mutating func handle(_ event: Event) throws(Failure) {
    result.events += 1
    let before = core.tenantSnapshots()
    var requests: [(SessionID, Request)] = []
    var hasAdmitted = false
    for command in core.handle(event) {
      shell.carryOut(command)
      if case .reply(_, .admitted) = command { hasAdmitted = true }
      switch command {
      case .reply(let session, let reply):
        if let next = try deliver(reply, to: session) { requests.append((session, next)) }
      case .end: throw failure("a session was ended")
      default: break
      }
    }
    if let broken = core.brokenInvariant() ?? shell.fault
      ?? watch.broken(
        core, before, scenario.faults, isAdopting: isRecovering, hasAdmitted: hasAdmitted)
    {
      throw failure(broken)
    }
    for worker in workers {
      if let wrong = worker.wrongBytes(shell) { throw failure(wrong) }
    }
    if shell.diskUsedBytes > shell.diskCapBytes { throw failure("the disk exceeds its cap") }
    for (session, request) in requests { try handle(.request(session, request)) }
  }

  private mutating func deliver(_ reply: Reply, to session: SessionID) throws(Failure) -> Request? {
    guard let index = workers.firstIndex(where: { $0.session == session }) else {
      throw failure("a reply to a session that is gone: \(reply)")
    }
    let (fault, next) = workers[index].take(reply, shell)
    if let fault { throw failure("worker \(session.rawValue): \(fault)") }
    return next
  }

  /// No more faults: everyone ends what they began and reads one prompt more, within a bound.
  private mutating func finishEverything() throws(Failure) {
    let bound = steps + 60_000
    var target: [SessionID: Int] = [:]
    for worker in workers { target[worker.session] = worker.ended + 2 }
    while workers.contains(where: { !$0.isDone || $0.ended < target[$0.session]! }) || !shell.pending.isEmpty {
      try step(Scenario.Faults()) { $0.ended < target[$0.session]! }
      if random.once(in: 50) {
        nowMs += 200
        try handle(.tick(nowMs: nowMs))
      }
      if steps > bound {
        let stuck = workers.filter { !$0.isDone }.map(\.waitingFor).joined(separator: "; ")
        throw failure("nobody waits for ever, but: \(stuck); \(shell.pending.count) moves pending")
      }
    }
    result.sequences = workers.reduce(0) { $0 + $1.finishedSequences }
    result.refusals = workers.reduce(0) { $0 + $1.refusals }
    try handle(.tick(nowMs: nowMs))
    if let over = watch.overQuota(core) { throw failure(over) }
    if !shell.openStagings.isEmpty { throw failure("\(shell.openStagings.count) staging arenas are left open") }
  }

  /// A store started anew from the disk serves what is on it, and only that, byte for byte.
  private mutating func checkRestart() throws(Failure) {
    for (key, record) in shell.disk {
      if record.content != SimulatedWorker.content(key) { throw failure("wrong bytes on disk after the run") }
      if record.checksum != SimulatedShell.checksum(record.content) { throw failure("wrong checksum on disk") }
    }
    let records = shell.disk.map { record($0, $1) }
    var restarted = ResidencyCore(
      CoreConfiguration(deviceBytes: 0, hostBytes: 64 * slotBytes, diskBytes: scenario.diskSlots * slotBytes))
    _ = restarted.handle(.recovered(records))
    if let broken = restarted.brokenInvariant() { throw failure("after restart: \(broken)") }
    if restarted.statisticsNow().disk.usedBytes != shell.diskUsedBytes { throw failure("restart lost records") }
  }

  func failure(_ what: String) -> Failure { Failure(scenario: scenario, step: steps, what: what) }
}
