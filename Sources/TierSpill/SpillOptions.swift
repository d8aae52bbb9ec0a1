import TierCore

/// How a spill is opened. The defaults suit a daemon.
public struct SpillOptions: Sendable {
  /// Bypass the page cache where the file system allows; otherwise, or where it does not, buffered I/O.
  public var directIO = true
  /// What moves the bytes: io_uring where the kernel has it, else threads; or one of them, for tests.
  public enum Engine: Sendable, Hashable, CaseIterable { case automatic, uring, threads }
  public var ioEngine = Engine.automatic
  /// How long a read, a write or a sync may take before it is given up.
  public var deadlineMs = 10_000
  /// How long an operation waits for a buffer or for space before it fails as `busy`.
  public var waitMs = 10_000
  /// For tests: of so many reads one returns a flipped bit. What is on disk stays as it is.
  public var damagesOneReadIn: Int?
  /// Whether a crash in a segment's recovery is noted, so that the segment is set aside after the second. Takes the
  /// process's handlers for crashes, and passes on to those that were there.
  public var notesCrashes = false
  /// For tests: the process crashes in the recovery of this segment.
  public var diesRecoveringSegment: UInt64?
  /// Buffers in use at once, those of operations given up included.
  package var lanes = 12
  /// A thread scans, seals, reclaims and removes; without, whoever calls does. For tests that must be deterministic.
  package var isBackground = true
  /// The size of new segments; nil chooses it from the cap (`SegmentSize`). For tests.
  package var segmentBytes: Int?

  public init() {}
}

/// The size of segment files.
package enum SegmentSize {
  package static let leastBytes = 4 << 20
  package static let mostBytes = 256 << 20
  /// The open segment, and one held in reserve so that live records can be moved under the cap.
  package static let leastSegments = 2
  /// A segment's size in its header is trusted up to here.
  package static let saneBytes = 1 << 30

  /// cap/16, clamped to 4 … 256 MiB, whole pages: small enough that one in reserve costs little, large enough that
  /// opening and reclaiming segments is rare. `capBytes` is what is left of the cap `besides` files left alone. Throws
  /// where two segments do not fit.
  package static func choose(capBytes: Int, asked: Int?, besides: Int) throws(SpillError) -> Int {
    let page = BlockLayout.pageBytes
    let least = asked ?? leastBytes
    guard capBytes >= leastSegments * least else {
      throw .capTooSmall(capBytes: capBytes + besides, smallestBytes: leastSegments * least + besides)
    }
    let wanted = asked ?? min(max(capBytes / 16, leastBytes), mostBytes)
    // The store's identity takes a little beside the segments.
    return min(wanted, (capBytes - RecordHeader.mostAlignBytes) / leastSegments) / page * page
  }
}
