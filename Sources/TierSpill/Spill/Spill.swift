import Glibc
import Synchronization
public import TierCore

/// The disk tier: blocks in compressed, self-describing records in append-only segment files, under a hard cap.
///
/// The residency core decides what is on disk; the spill decides where. Every method may be called from any thread.
/// `read` and `write` block until they are done or their deadline has passed; `forget` changes the index and returns. What
/// `write` answers as durable is found again after a crash; what a read answers as ok are the block's own bytes,
/// verified; anything else is a miss. Files are made, sealed, reclaimed and removed by the keeper, a thread of its own.
public final class Spill: Sendable {
  let disk: any SpillDisk
  let store: StoreIdentity
  let options: SpillOptions
  let lanes: LanePool
  let state: Mutex<SpillState>
  /// The log's end: one, and one writer at a time takes its place there.
  let appender = Appender()
  /// What the keeper does, one at a time; the end of its own log, for records that move.
  let keeper = Keeper()

  /// Opens the spill in `directory`, made where it is missing, and reads what its sealed segments hold; `start` does the
  /// rest. Throws where the directory is in use, is not safe or cannot be read, and where the cap is too small; damage
  /// inside is reported, not thrown.
  public static func open(
    directory: String, capBytes: Int, options: SpillOptions = SpillOptions()
  ) throws(SpillError) -> Spill {
    let disk = try PosixDisk(path: directory, options: options)
    do throws(SpillError) {
      return try open(disk: disk, capBytes: capBytes, options: options)
    } catch {
      disk.close()
      throw error
    }
  }

  package static func open(
    disk: any SpillDisk, capBytes: Int, options: SpillOptions
  ) throws(SpillError) -> Spill {
    var recovery = try Recovery(disk: disk, capBytes: capBytes, options: options)
    try recovery.run()
    return Spill(recovery)
  }

  private init(_ recovery: Recovery) {
    self.disk = recovery.disk
    self.store = recovery.store
    self.options = recovery.options
    self.lanes = recovery.lanes
    self.state = Mutex(recovery.state)
  }

  /// Starts the keeper, which first scans what had no footer. `observer` is told what it finds, on the keeper's thread.
  public func start(_ observer: @escaping @Sendable (SpillEvent) -> Void = { _ in }) {
    guard options.isBackground else { return keeper.observe(observer) }
    keeper.start(observer) { [weak self] in self?.keep() ?? false }
  }

  deinit {
    close()
  }

  /// What was found when the spill was opened, and by the scans since.
  public var recovery: RecoveryReport { state.withLock { $0.report } }
  /// Whether segments are left to be scanned: what is not found yet may still be.
  public var isRecovering: Bool { state.withLock { $0.isRecovering } }

  /// Whether the block is on disk.
  public func contains(_ key: BlockKey) -> Bool { state.withLock { $0.index[key] != nil } }

  /// Every block on disk, in no order.
  public func inventory() -> [StoredBlock] {
    state.withLock { state in state.index.map { StoredBlock($0.key, $0.value) } }
  }

  /// Lets the blocks go; unknown ones are ignored. Takes no I/O: the keeper notes on disk that they are dead, and
  /// gives their space back. Until it has (within a second), a crash can bring a forgotten block back.
  public func forget(_ keys: some Sequence<BlockKey>) {
    state.withLock { state in
      for key in keys { _ = state.forget(key) }
      state.retireEmpty()
    }
    wakeKeeper()
  }

  /// Blocks forgotten whose death is not on disk yet.
  package var pendingTombstones: Int { state.withLock { $0.tombstones.pending.count } }

  public var health: SpillStatistics.Health {
    let health = state.withLock { $0.health }
    guard health == .healthy, let hang else { return health }
    return .degraded(hang)
  }

  /// Opening, renaming and removing files, and syncing the directory, are system calls that cannot be given up. Where one
  /// hangs so does the keeper: it is told by how long its work takes. Reads, and writes while there is a segment, go on.
  private var hang: SpillError? {
    guard keeper.gate.heldMs > 2 * options.deadlineMs else { return nil }
    return .timedOut(operation: "work on the files", file: disk.name, afterMs: 2 * options.deadlineMs)
  }

  public func statistics() -> SpillStatistics {
    let stuck = lanes.stuckOperations
    var statistics = state.withLock { SpillStatistics(of: $0, disk: disk, stuckOperations: stuck) }
    statistics.health = health
    return statistics
  }

  /// Whether nobody does the keeper's work just now: in the midst of it, who does would wait for himself.
  package var isKeeperIdle: Bool { keeper.gate.isFree }

  /// Ends the spill as a crash does: nothing is sealed, written or removed any more. For tests and benchmarks.
  package func abandon() {
    state.withLock { $0.isClosed = true }
    keeper.stop()
    for segment in state.withLock({ Array($0.segments.values) }) { segment.file.close() }
    keeper.dropBook()
    disk.close()
  }

  /// Ends the spill: what is open is sealed, the directory's lock released. Later calls answer `closed`. Idempotent.
  public func close() {
    let wasClosed = state.withLock { state in
      defer { state.isClosed = true }
      return state.isClosed
    }
    guard !wasClosed else { return }
    keeper.stop()
    appender.lock.lock()
    defer { appender.lock.unlock() }
    // The lock of the directory is not let go while something of ours writes there.
    appender.waitForBatches(timeoutMs: options.waitMs + options.deadlineMs)
    guard keeper.gate.enter(timeoutMs: options.waitMs) else { return }
    defer { keeper.gate.leave() }
    for segment in [appender.takeSegment(), keeper.takeSegment()] { if let segment { fill(segment) } }
    state.withLock { state in
      if let ready = state.ready { state.retire(ready) }
      state.ready = nil
    }
    sealFull()
    removeRetired()
    writeTombstones()
    keeper.dropBook()
    // What was given up has a moment to end: its files can be closed then.
    lanes.close()
    let idle = state.withLock { state in
      let idle = state.segments.values.filter(\.isIdle)
      for segment in idle { state.segments[segment.number] = nil }
      return idle
    }
    for segment in idle { segment.file.close() }
    disk.close()
  }
}

/// What the keeper tells.
public enum SpillEvent: Sendable {
  /// Blocks that were on disk all along and have been found now. The last such event says that there are no more.
  case recovered([StoredBlock], isLast: Bool)
  /// Blocks that had been reported durable and cannot be vouched for any more.
  case lost([BlockKey])
  /// One line for an operator.
  case notice(String)
}

extension StoredBlock {
  init(_ key: BlockKey, _ entry: Entry) {
    self.init(key: key, layout: entry.layout, checksum: entry.originalChecksum, storedBytes: entry.recordBytes)
  }
}

/// The end of the log. `lock` is held while a batch is given its place there, not while it is encoded or written.
final class Appender: @unchecked Sendable {
  let lock = Condition()
  // Guarded by `lock`.
  var segment: Segment?
  private var batches = 0

  /// A batch is being written until it leaves.
  func enter() {
    lock.lock()
    batches += 1
    lock.unlock()
  }

  func leave() {
    lock.lock()
    batches -= 1
    lock.broadcast()
    lock.unlock()
  }

  /// With the lock, which is free meanwhile. No longer than their own deadlines let them take.
  func waitForBatches(timeoutMs: Int) { _ = lock.wait(timeoutMs: timeoutMs) { batches == 0 } }

  func takeSegment() -> Segment? {
    defer { segment = nil }
    return segment
  }
}
