import ControlAPI
import Glibc
import Synchronization
public import TierCore
import TierMemory
public import TierSpill

/// One running store: the residency core, and the memory, disk and threads that carry out what it decides.
///
/// The core runs under one lock, one event at a time; replies leave under it, so that each session sees them in order.
/// Copies, writes and reads run on threads of their own and come back as events. The threads keep the engine alive
/// until `stop`.
public final class Engine: Sendable {
  struct State {
    var core: ResidencyCore
    var outboxes: [SessionID: any ReplyOutbox] = [:]
    var peers: [SessionID: SessionPeer] = [:]
    var tenants: TenantNames
    /// Of the sessions that asked for one.
    var traces: [SessionID: SessionTrace] = [:]
    var lastSession: UInt64 = 0
    var isStopping = false
    /// Searches for what an earlier life left: the disk's, the host's.
    var searches = 0
  }
  struct SessionPeer {
    let credentials: PeerCredentials
    let tenant: TenantID
    let connectedAtMs: UInt64
  }

  let options: EngineOptions
  public let startedAtMs = MonotonicClock.nowMs()
  let state: Mutex<State>
  let hostMemory: HostMemorySystem
  let arenas: ArenaTable
  /// Nil where there is no disk tier, or it cannot be had yet (`spillFault` says why).
  public var spill: Spill? { disk.withLock { $0.spill } }
  let scrubber = Scrubber()
  let pressure = PressureMonitor()
  let nodeMonitor = NodeMonitor()
  private let disk = Mutex(Disk())
  let movers = Mutex<Movers?>(nil)
  private let ticker = Mutex<EngineThread?>(nil)
  private let caretaker = Mutex<EngineThread?>(nil)
  let adoption = Mutex<EngineThread?>(nil)
  /// Ticks the core has had.
  let ticks = Atomic<UInt64>(0)

  /// The spill, or why there is none; and what the log was last told.
  private struct Disk {
    var spill: Spill?
    var fault: SpillError?
    var reported = SpillStatistics.Health.healthy
    var retryAtMs: UInt64 = 0
  }

  struct Movers {
    let births: any BlockMover
    /// Nil where what is born on the device is born in the host's memory.
    let deviceBirths: (any BlockMover)?
    let up: any BlockMover
    let down: any BlockMover
    var disk: DiskMover?

    func births(toDevice: Bool) -> any BlockMover { toDevice ? deviceBirths ?? births : births }
    var links: [any BlockMover] { [births, up, down] + (deviceBirths.map { [$0] } ?? []) }
  }

  /// Opens the store. Throws where the spill's directory is another daemon's or is not safe to use; where it cannot be had
  /// for a reason that may pass, the store serves without it, says so, and tries again.
  public init(_ options: EngineOptions) throws(SpillError) {
    self.options = options
    hostMemory = HostMemorySystem(options.hostMemory, report: options.report)
    arenas = ArenaTable(keeper: options.memoryKeeper, memory: hostMemory, device: options.device?.backend)
    state = Mutex(State(core: ResidencyCore(options.core), tenants: TenantNames(options.tenants)))
    handle(.setTenants(options.tenants.policy))
    adoptMemory()
    do throws(SpillError) {
      let spill = try openSpill()
      start()
      if let spill { attach(spill) }
    } catch {
      guard error.mayPass, !options.needsSpill else { throw error }
      note(error)
      start()
    }
  }

  private func openSpill() throws(SpillError) -> Spill? {
    guard options.diskBytes > 0, let directory = options.spillDirectory else { return nil }
    var spillOptions = SpillOptions()
    spillOptions.damagesOneReadIn = options.damagesOneReadIn
    spillOptions.diesRecoveringSegment = options.diesRecoveringSegment
    spillOptions.notesCrashes = true
    return try Spill.open(directory: directory, capBytes: options.diskBytes, options: spillOptions)
  }

  private func note(_ error: SpillError) {
    let isNews = disk.withLock { disk in
      defer { (disk.fault, disk.retryAtMs) = (error, MonotonicClock.nowMs() + Self.spillRetryMs) }
      return disk.fault != error
    }
    if isNews { options.report("no spill: \(error.message); memory serves without it, and it is tried again") }
  }

  /// The disk tier is there from now on.
  private func attach(_ spill: Spill) {
    disk.withLock { ($0.spill, $0.fault) = (spill, nil) }
    let mover = DiskMover(spill: spill, finish: { [self] in finished($0) }, report: options.report)
    movers.withLock { $0?.disk = mover }
    handle(.setBudget(.disk, bytes: options.diskBytes))
    recover(from: spill)
  }

  private static let spillRetryMs: UInt64 = 2000

  /// Opens a spill that could not be had before, and tells the log when one fails or recovers.
  private func lookAfterSpill() {
    guard let spill else {
      let isDue = disk.withLock { $0.fault != nil && $0.retryAtMs <= MonotonicClock.nowMs() }
      guard isDue, !state.withLock({ $0.isStopping }) else { return }
      do throws(SpillError) {
        guard let found = try openSpill() else { return }
        options.report("the spill can be used now")
        attach(found)
      } catch { note(error) }
      return
    }
    let health = spill.health
    let before = disk.withLock { disk in
      defer { disk.reported = health }
      return disk.reported
    }
    switch (before, health) {
    case (.healthy, .degraded(let error)):
      options.report("the spill is degraded: \(error.message); memory goes on serving")
    case (.degraded, .healthy): options.report("the spill works again")
    default: break
    }
  }

  /// Why there is no spill although one is configured.
  var spillFault: SpillError? { disk.withLock { $0.fault } }
  var diskQueue: (writes: Int, reads: Int) {
    movers.withLock { ($0?.disk?.queuedWrites ?? 0, $0?.disk?.queuedReads ?? 0) }
  }

  /// Takes in what the spill's sealed segments hold; what it still has to scan for comes later.
  private func recover(from spill: Spill) {
    if spill.isRecovering { beginSearch() }
    handle(.recovered(spill.inventory().map(DiskRecord.init)))
    spill.start { [weak self] event in self?.take(event) }
  }

  private func take(_ event: SpillEvent) {
    switch event {
    case .recovered(let blocks, let isLast):
      handle(.recovered(blocks.map(DiskRecord.init)))
      if isLast { endSearch() }
    case .lost(let keys):
      options.report("\(keys.count) blocks on disk cannot be read back any more and were dropped")
      for key in keys { handle(.recordLost(key)) }
    case .notice(let line): options.report(line)
    }
  }

  private func makeMovers() -> Movers {
    let finish: @Sendable ([EndedMove]) -> Void = { [self] moves in finished(moves) }
    func copiers(_ name: String, _ bytesPerSecond: Int?) -> NodeCopiers {
      NodeCopiers(
        name: name, nodes: options.hostNodes.map(\.id), system: hostMemory, bytesPerSecond: bytesPerSecond,
        finish: finish)
    }
    guard let device = options.device else {
      let link = options.linkBytesPerSecond
      return Movers(
        births: copiers("births", nil), deviceBirths: nil, up: copiers("link-up", link),
        down: copiers("link-down", link))
    }
    func mover(_ name: String, _ queue: any CopyQueue) -> DeviceMover {
      DeviceMover(
        name: name, device: device.backend, queue: queue, cpus: hostMemory.cpus(near: options.deviceNode),
        report: options.report, lost: options.deviceLost, finish: finish)
    }
    return Movers(
      births: copiers("births", nil), deviceBirths: mover("births-device", device.births),
      up: mover("link-up", device.up), down: mover("link-down", device.down))
  }

  private func start() {
    movers.withLock { $0 = makeMovers() }
    nodeMonitor.start(self)
    if let sources = options.memorySources { watchMemory(sources) }
    ticker.withLock {
      $0 = EngineThread(name: "ticker") { [self] in
        while !state.withLock({ $0.isStopping }) {
          handle(.tick(nowMs: MonotonicClock.nowMs()))
          ticks.add(1, ordering: .relaxed)
          usleep(100_000)
        }
      }
    }
    // Apart from the ticker: opening a spill on a disk that hangs takes as long as the disk does.
    caretaker.withLock {
      $0 = EngineThread(name: "spill-care") { [self] in
        while !state.withLock({ $0.isStopping }) {
          lookAfterSpill()
          usleep(100_000)
        }
      }
    }
  }

  /// Stops all threads, after what they have begun. Sessions must have ended. Idempotent.
  public func stop() {
    state.withLock { $0.isStopping = true }
    let threads = [
      ticker.withLock { $0.take() }, caretaker.withLock { $0.take() }, adoption.withLock { $0.take() },
    ]
    for thread in threads { thread?.join() }
    let running = movers.withLock { movers in
      defer { movers = nil }
      return movers
    }
    pressure.stop()
    nodeMonitor.stop()
    scrubber.stop()
    guard let running else { return }
    for link in running.links { link.stop() }
    running.disk?.stop()
    arenas.stop()
    spill?.close()
  }

  /// Writes what exists only in memory to disk, as far as the deadline allows. Answers what is left.
  public func drain(deadlineMs: Int) -> Int {
    handle(.drain(true))
    let end = MonotonicClock.nowMs() + UInt64(deadlineMs)
    var dirty = dirtyBlocks
    while spill != nil, dirty > 0, MonotonicClock.nowMs() < end {
      usleep(5_000)
      dirty = dirtyBlocks
    }
    return dirty
  }

  var dirtyBlocks: Int { state.withLock { $0.core.dirtyBlocks } }

  public func statistics() -> StoreStatistics { state.withLock { $0.core.statisticsNow() } }

  func handle(_ event: Event) {
    state.withLock { state in
      if case .request(let session, let request) = event { state.traces[session]?.note(request) }
      let commands = state.core.handle(event)
      carryOut(commands, &state)
    }
  }

  private func finished(_ moves: [EndedMove]) {
    state.withLock { state in
      for ended in moves {
        state.record(ended)
        carryOut(state.core.handle(.moved(ended.move, ended.outcome)), &state)
      }
    }
  }

  func withDisk(_ body: (DiskMover) -> Void) {
    movers.withLock { movers in if let disk = movers?.disk { body(disk) } }
  }
}

extension SpillError {
  /// Whether it may be had later, with nobody changing what was asked for or stopping another daemon.
  var mayPass: Bool {
    switch self {
    case .locked, .unsafeDirectory: false
    default: true
    }
  }
}

extension DiskRecord {
  init(_ block: StoredBlock) {
    self.init(key: block.key, layout: block.layout, checksum: block.checksum, storedBytes: block.storedBytes)
  }
}
