/// One segment file while it is open. `SpillState`'s lock guards everything that changes.
///
/// Life: created with a header → records appended by one writer at a time → sealed (nothing is appended any more) →
/// live records moved out, or all forgotten → removed; its bytes count until the last reader has let it go.
/// A failed write or sync condemns it: sealed at once, what was durable stays readable, nothing is tried again on it.
final class Segment: @unchecked Sendable {
  let header: SegmentHeader
  let file: any SpillFile
  /// Serialises syncs; held during one, so that writers who come meanwhile share the next.
  let commitLock = Condition()

  /// Size of the file, counted against the cap.
  var fileBytes: Int
  /// End of what was written without error; where the next record goes.
  var writtenExtent: Int
  /// End of what is durable.
  var durableExtent: Int
  var liveBytes = 0
  var liveRecords = 0
  /// Readers using the file.
  var readers = 0
  /// Batches whose records here are not published yet. Such a segment is not reclaimed.
  var writers = 0
  var isSealed = false
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
  var deadBytes: Int { max(0, writtenExtent - firstRecord - liveBytes) }
  var freeBytes: Int { isSealed || condemned != nil ? 0 : fileBytes - writtenExtent }
}
