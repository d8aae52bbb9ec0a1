/// What the spill holds and how it does. Sums count since it was opened.
public struct SpillStatistics: Sendable, Hashable {
  public enum Health: Sendable, Hashable {
    case healthy
    /// The last write, or the last read, failed. One that succeeds makes it healthy again; where writing failed the
    /// spill tries once a second.
    case degraded(SpillError)
    case closed
  }

  public var health = Health.healthy
  /// Whether the page cache is bypassed.
  public var directIO = false
  public var alignBytes = 0
  /// What moves the bytes: `io_uring` or `threads`.
  public var ioEngine = ""
  /// Operations that were given up and have not ended yet.
  public var stuckOperations = 0
  /// Segments without a footer whose blocks have not been looked for yet.
  public var unscannedSegments = 0

  public var records = 0
  public var segments = 0
  /// Bytes of records that blocks need, and of records nobody does any more.
  public var liveBytes = 0
  public var deadBytes = 0
  /// Sizes of all our files; never above the cap.
  public var fileBytes = 0
  /// Sizes of files in the directory that are left alone; counted against the cap.
  public var foreignBytes = 0
  public var capBytes = 0
  public var segmentBytes = 0
  /// How far the files exceed a cap that was lowered: forget blocks, then call `reclaim`.
  public var overCapBytes = 0

  /// Bytes of the live blocks before compression.
  public var originalBytes = 0
  /// Original bytes over bytes on disk, headers and padding included; 0 where nothing is stored.
  public var ratio: Double { liveBytes == 0 ? 0 : Double(originalBytes) / Double(liveBytes) }

  public var counts = SpillCounters()

  init() {}
}

extension SpillStatistics {
  init(of state: SpillState, disk: any SpillDisk, stuckOperations stuck: Int) {
    health = state.health
    ioEngine = disk.engine.name
    stuckOperations = stuck
    unscannedSegments = state.segments.values.count { $0.isUnscanned }
    directIO = disk.isDirect
    alignBytes = disk.alignBytes
    records = state.index.count
    segments = state.segments.count
    liveBytes = state.segments.values.reduce(0) { $0 + $1.liveBytes }
    deadBytes = state.segments.values.reduce(0) { $0 + $1.deadBytes }
    fileBytes = state.fileBytes
    foreignBytes = state.foreignBytes
    capBytes = state.capBytes
    segmentBytes = state.segmentBytes
    overCapBytes = max(0, state.usedBytes - state.capBytes)
    originalBytes = state.liveOriginalBytes
    counts = state.counters
  }
}

extension SpillState {
  var health: SpillStatistics.Health {
    isClosed ? .closed : (writeFault ?? readFault).map { .degraded($0) } ?? .healthy
  }
}

/// Sums since the spill was opened.
public struct SpillCounters: Sendable, Hashable {
  public var writtenBlocks = 0
  public var writtenOriginalBytes = 0
  public var writtenStoredBytes = 0
  public var duplicateWrites = 0
  public var fullWrites = 0
  public var failedWrites = 0
  public var readBlocks = 0
  public var readOriginalBytes = 0
  public var missingReads = 0
  public var corruptReads = 0
  public var failedReads = 0
  public var syncs = 0
  public var reclaimedSegments = 0
  public var movedRecords = 0
  public var movedBytes = 0
  public var lostWhileMoving = 0
  public var condemnedSegments = 0

  /// One batch from call to durable, one block from call to verified, one sync.
  public var writeLatency = LatencyHistogram()
  public var readLatency = LatencyHistogram()
  public var syncLatency = LatencyHistogram()

  init() {}
}
