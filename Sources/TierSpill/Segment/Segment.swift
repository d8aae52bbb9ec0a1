/// One segment file while it is open. `SpillState`'s lock guards everything that changes.
///
/// Life: created with a header → records appended, each batch in extents of its own → full (nothing is appended any more)
/// → sealed with a footer → live records moved out, or all forgotten → removed; its bytes count until the last reader has let it
/// go. A failed write or sync condemns it: full at once, never sealed, what was durable stays readable until it is moved,
/// nothing is tried again on it.
final class Segment: @unchecked Sendable {
  let header: SegmentHeader
  let file: any SpillFile
  /// Serialises syncs; held during one, so that writers who come meanwhile share the next.
  let commitLock = Condition()

  /// Size of the file, counted against the cap.
  var fileBytes: Int
  /// Where the next record goes. Extents below it are handed out, and may still be being written.
  var writtenExtent: Int
  /// End of what is durable without a hole. Records behind it may be durable, too: `syncedWrites` says.
  var durableExtent: Int
  /// Where the extents start that are being written, lowest first. One whose write failed stays.
  var openExtents: [Int] = []
  /// Writes that ended well, counted in the order in which they ended; and how many of them a sync has made durable.
  var endedWrites = 0
  var syncedWrites = 0
  var liveBytes = 0
  var liveRecords = 0
  /// Readers using the file.
  var readers = 0
  /// Batches whose records here are not published yet. Such a segment is not reclaimed.
  var writers = 0
  /// Nothing is appended any more.
  var isFull = false
  /// Full, and its footer is to be written.
  var needsFooter = false
  /// What its footer will say; empty once that is written.
  var entries: [FooterEntry] = []
  /// Found without a footer, and not scanned yet: what it holds is not known.
  var isUnscanned = false
  /// Its name is gone, or going; not to be used by anybody new.
  var isRetired = false
  /// Its name is gone for good; its space follows with the last reader.
  var isUnlinked = false
  /// Moving its records failed on a read: left where they are.
  var isUnmovable = false
  var condemned: SpillError?

  init(header: SegmentHeader, file: any SpillFile, fileBytes: Int, extent: Int) {
    self.header = header
    self.file = file
    self.fileBytes = fileBytes
    self.writtenExtent = extent
    self.durableExtent = extent
  }

  var number: UInt64 { header.number }
  /// Where its first record starts.
  var firstRecord: Int { header.alignBytes }
  /// Bytes written that no live block needs.
  var deadBytes: Int { isUnscanned ? 0 : max(0, writtenExtent - firstRecord - liveBytes) }
  /// Nobody uses it who would notice that it goes.
  var isIdle: Bool { readers == 0 && writers == 0 }

  /// Bytes for `records` more records, their place in the footer left free.
  func room(records: Int) -> Int {
    guard !isFull, condemned == nil else { return 0 }
    let footer = SegmentFooter.fileBytes(entries: entries.count + records, alignBytes: header.alignBytes)
    return max(0, fileBytes - writtenExtent - footer)
  }
}
