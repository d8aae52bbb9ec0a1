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
    let core: ResidencyCore
    var outboxes: [SessionID: any ReplyOutbox] = [:]
    var peers: [SessionID: SessionPeer] = [:]
    var lastSession: UInt64 = 0
    var isStopping = false
  }
  struct SessionPeer {
    let credentials: PeerCredentials
    let connectedAtMs: UInt64
  }

  let options: EngineOptions
  public let startedAtMs = MonotonicClock.nowMs()
  let state: Mutex<State>
  let arenas = ArenaTable()
  public let spill: Spill?
  private let movers = Mutex<Movers?>(nil)
  private let ticker = Mutex<EngineThread?>(nil)

  struct Movers {
    let births: Copier
    let up: Copier
    let down: Copier
    let disk: DiskMover?
  }

  /// Opens the store and finds what its spill holds.
  public init(_ options: EngineOptions) throws(SpillError) {
    self.options = options
    if options.diskBytes > 0, let directory = options.spillDirectory {
      spill = try Spill.open(directory: directory, capBytes: options.diskBytes)
    } else {
      spill = nil
    }
    let core = ResidencyCore(
      CoreConfiguration(
        deviceBytes: options.deviceBytes, hostBytes: options.hostBytes, diskBytes: spill == nil ? 0 : options.diskBytes)
    )
    state = Mutex(State(core: core))
    start()
    if let spill { recover(from: spill) }
  }

  /// Takes in what the spill's sealed segments hold; what it still has to scan for comes later.
  private func recover(from spill: Spill) {
    if spill.isRecovering { handle(.recoveryBegan) }
    handle(.recovered(spill.inventory().map(DiskRecord.init)))
    spill.start { [weak self] event in self?.take(event) }
  }

  private func take(_ event: SpillEvent) {
    switch event {
    case .recovered(let blocks, let isLast):
      handle(.recovered(blocks.map(DiskRecord.init)))
      if isLast { handle(.recoveryEnded) }
    case .lost(let keys):
      options.report("\(keys.count) blocks on disk cannot be read back any more and were dropped")
      for key in keys { handle(.recordLost(key)) }
    case .notice(let line): options.report(line)
    }
  }

  private func start() {
    let finish: @Sendable ([(MoveID, MoveOutcome)]) -> Void = { [self] moves in finished(moves) }
    let link = options.linkBytesPerSecond
    let disk = spill.map { DiskMover(spill: $0, finish: finish, report: options.report) }
    movers.withLock {
      $0 = Movers(
        births: Copier(name: "births", threads: 1, bytesPerSecond: nil, finish: finish),
        up: Copier(name: "link-up", threads: 1, bytesPerSecond: link, finish: finish),
        down: Copier(name: "link-down", threads: 1, bytesPerSecond: link, finish: finish), disk: disk)
    }
    ticker.withLock {
      $0 = EngineThread(name: "ticker") { [self] in
        while !state.withLock({ $0.isStopping }) {
          handle(.tick(nowMs: MonotonicClock.nowMs()))
          usleep(100_000)
        }
      }
    }
  }

  /// Stops all threads, after what they have begun. Sessions must have ended. Idempotent.
  public func stop() {
    state.withLock { $0.isStopping = true }
    ticker.withLock {
      $0?.join()
      $0 = nil
    }
    let running = movers.withLock { movers in
      defer { movers = nil }
      return movers
    }
    guard let running else { return }
    running.births.stop()
    running.up.stop()
    running.down.stop()
    running.disk?.stop()
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
      let commands = state.core.handle(event)
      carryOut(commands, &state)
    }
  }

  private func finished(_ moves: [(MoveID, MoveOutcome)]) {
    state.withLock { state in
      for (move, outcome) in moves { carryOut(state.core.handle(.moved(move, outcome)), &state) }
    }
  }

  func push(_ job: Copier.Job, _ link: any KeyPath<Movers, Copier> & Sendable) {
    movers.withLock { $0?[keyPath: link].push(job) }
  }

  func withDisk(_ body: (DiskMover) -> Void) {
    movers.withLock { movers in if let disk = movers?.disk { body(disk) } }
  }
}

extension DiskRecord {
  init(_ block: StoredBlock) {
    self.init(key: block.key, layout: block.layout, checksum: block.checksum, storedBytes: block.storedBytes)
  }
}
