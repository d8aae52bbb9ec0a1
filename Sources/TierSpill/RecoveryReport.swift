/// What was found when the spill was opened, and by the scans that follow. All of it is usable: what is damaged, torn, foreign or newer is counted and never served.
public struct RecoveryReport: Sendable, Hashable {
  /// A file in the directory that the spill leaves alone.
  public struct SetAside: Sendable, Hashable {
    public enum Reason: Sendable, Hashable {
      /// Not a file of ours by name.
      case unknownName
      /// A segment of another store.
      case foreignStore
      /// Written in a later version of the format.
      case newerFormat(version: Int)
      /// Two files claim the same segment, or a file's name and header disagree.
      case misnamed
      /// Processes crashed while they recovered it.
      case crashed(times: Int)
      /// The file cannot be opened or is no regular file.
      case unreadable
    }
    public let name: String
    public let bytes: Int
    public let reason: Reason
  }

  public var segments = 0
  /// Blocks found, each once.
  public var records = 0
  /// Their bytes before compression.
  public var originalBytes = 0
  /// Their records' bytes on disk.
  public var storedBytes = 0
  /// Older copies of blocks that exist in a newer one.
  public var duplicates = 0
  /// Ends of segments whose last writes were never made durable: a crash in mid-write.
  public var tornTails = 0
  /// Stretches that were not durable, with records behind them that verify: batches are written at the same time, and
  /// the crash came before the write of an earlier one had ended.
  public var holes = 0
  /// Stretches that had been made durable and no longer verify: flipped bits, misdirected or dropped writes.
  public var damagedRegions = 0
  /// Footers that do not verify where there should be one: the segment is scanned instead.
  public var damagedFooters = 0
  /// Records of blocks that were forgotten before.
  public var forgottenRecords = 0
  /// Segment headers that no longer verify, their records found all the same.
  public var damagedSegmentHeaders = 0
  /// Reads that failed during the scan.
  public var readErrors = 0
  /// Segment files that were never finished, removed.
  public var unfinishedSegments = 0
  /// Segments removed because nothing in them is alive.
  public var emptySegments = 0
  /// Blocks let go because the files exceeded the cap.
  public var droppedRecords = 0
  /// Bytes scanned, and how long it took.
  public var scannedBytes = 0
  public var elapsedMs = 0
  public var setAside: [SetAside] = []

  /// One line for an operator on what did not verify; nil where all did.
  var damageSummary: String? {
    guard tornTails + holes + damagedRegions + readErrors > 0 else { return nil }
    return "the spill was scanned, and its blocks that verify are served: \(tornTails) torn tails and \(holes) holes "
      + "of writes that a crash cut short, \(damagedRegions) damaged regions, \(readErrors) failed reads"
  }
}
