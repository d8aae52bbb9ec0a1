/// The spill on disk.
public struct SpillStatus: Codable, Sendable, Equatable {
  public var records: Int
  /// Bytes of records that can be served / that wait for their segment to be reclaimed / of all segment files.
  public var liveBytes: Int
  public var deadBytes: Int
  public var fileBytes: Int
  /// Bytes of blocks written, before and after compression.
  public var originalBytes: Int
  public var storedBytes: Int
  /// `originalBytes / storedBytes`; 0 before the first write.
  public var ratio: Double
  /// `ok`, or one line saying what failed and what still works.
  public var health: String
  /// What moves the bytes, `io_uring` or `threads`, and whether past the page cache.
  public var ioEngine: String
  public var directIo: Bool
  /// Blocks that wait to be written and read, and operations that were given up and have not ended.
  public var queuedWrites: Int
  public var queuedReads: Int
  public var stuckOperations: Int
  public var segments: Int
  /// Without a footer, their blocks not looked for yet.
  public var unscannedSegments: Int
  /// Since the daemon's start: records that did not verify, and segments given up after a failed write or sync.
  public var damagedRecords: Int
  public var condemnedSegments: Int
  public var reclaimedSegments: Int

  public init(
    records: Int, liveBytes: Int, deadBytes: Int, fileBytes: Int, originalBytes: Int, storedBytes: Int,
    health: String, ioEngine: String = "", directIo: Bool = false, queuedWrites: Int = 0, queuedReads: Int = 0,
    stuckOperations: Int = 0, segments: Int = 0, unscannedSegments: Int = 0, damagedRecords: Int = 0,
    condemnedSegments: Int = 0, reclaimedSegments: Int = 0
  ) {
    self.records = records
    self.liveBytes = liveBytes
    self.deadBytes = deadBytes
    self.fileBytes = fileBytes
    self.originalBytes = originalBytes
    self.storedBytes = storedBytes
    self.ratio = storedBytes > 0 ? Double(originalBytes) / Double(storedBytes) : 0
    self.health = health
    self.ioEngine = ioEngine
    self.directIo = directIo
    self.queuedWrites = queuedWrites
    self.queuedReads = queuedReads
    self.stuckOperations = stuckOperations
    self.segments = segments
    self.unscannedSegments = unscannedSegments
    self.damagedRecords = damagedRecords
    self.condemnedSegments = condemnedSegments
    self.reclaimedSegments = reclaimedSegments
  }
}
