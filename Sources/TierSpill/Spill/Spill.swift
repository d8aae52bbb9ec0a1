import Glibc
import Synchronization
public import TierCore

/// The disk tier: blocks in compressed, self-describing records in append-only segment files, under a hard cap.
///
/// The residency core decides what is on disk; the spill decides where. Every method may be called from any thread and
/// blocks until it is done; none calls back. What `write` answers as durable is found again after a crash; what a read
/// answers as ok are the block's own bytes, verified; anything else is a miss.
public final class Spill: Sendable {
  /// What was found when the spill was opened.
  public let recovery: RecoveryReport
  let disk: any SpillDisk
  let store: StoreIdentity
  let options: SpillOptions
  let pool: BufferPool
  let state: Mutex<SpillState>
  /// Held while records are appended or moved: one log, one writer at its end.
  let appender: Appender
  /// Signalled when a retired segment's space is free.
  let freed = Condition()

  /// Opens the spill in `directory`, made where it is missing, and finds every block in it. Throws where the directory
  /// is in use, is not safe or cannot be read, and where the cap is too small; damage inside is reported, not thrown.
  public static func open(
    directory: String, capBytes: Int, options: SpillOptions = SpillOptions()
  ) throws(SpillError) -> Spill {
    let disk = try PosixDisk(path: directory, direct: options.directIO)
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
    return try Spill(recovery: recovery)
  }

  private init(recovery: borrowing Recovery) throws(SpillError) {
    self.recovery = recovery.report
    self.disk = recovery.disk
    self.store = recovery.store
    self.options = recovery.options
    self.pool = BufferPool(limitBytes: recovery.options.bufferBytes, waitMs: recovery.options.waitMs)
    self.state = Mutex(recovery.state)
    self.appender = try Appender()
  }

  deinit {
    close()
  }

  /// Whether the block is on disk.
  public func contains(_ key: BlockKey) -> Bool { state.withLock { $0.index[key] != nil } }

  /// Every block on disk, in no order.
  public func inventory() -> [StoredBlock] {
    state.withLock { state in
      state.index.map { key, entry in
        StoredBlock(
          key: key, layout: entry.layout, checksum: entry.originalChecksum, storedBytes: entry.recordBytes)
      }
    }
  }

  /// Lets the blocks go; unknown ones are ignored. Their space is free when their segments are reclaimed. A forgotten
  /// block may be found again after a restart: it is still the block its key names.
  public func forget(_ keys: some Sequence<BlockKey>) {
    let empty = state.withLock { state in
      for key in keys { _ = state.forget(key) }
      return state.retireEmpty()
    }
    remove(empty)
  }

  public func statistics() -> SpillStatistics {
    state.withLock { SpillStatistics(of: $0, disk: disk) }
  }

  /// Ends the spill: what is open is sealed, the directory's lock released. Later calls answer `closed`. Idempotent.
  public func close() {
    appender.lock.lock()
    defer { appender.lock.unlock() }
    let wasClosed = state.withLock { state in
      defer { state.isClosed = true }
      return state.isClosed
    }
    guard !wasClosed else { return }
    sealOpenSegment()
    let idle = state.withLock { state in
      let idle = state.segments.values.filter { $0.readers == 0 && $0.writers == 0 }
      for segment in idle { state.segments[segment.number] = nil }
      return idle
    }
    for segment in idle { segment.file.close() }
    disk.close()
  }
}

/// The end of the log. `lock` guards `segment` and the buffer.
final class Appender: @unchecked Sendable {
  let lock = Condition()
  var segment: Segment?
  let headerBuffer: AlignedBuffer

  init() throws(SpillError) {
    guard let buffer = AlignedBuffer(bytes: RecordHeader.mostAlignBytes) else {
      throw .io(operation: "allocation", file: "segment header buffer", errno: ENOMEM)
    }
    headerBuffer = buffer
  }
}
