/// Reads a segment from its first record to its end and finds every record that verifies, resynchronising at record
/// alignment after anything that does not. For recovery and reclaim.
struct SegmentScanner {
  let file: any SpillFile
  let number: UInt64
  let store: StoreIdentity
  let alignBytes: Int
  let fileBytes: Int

  /// After so many failed reads the rest of the segment is given up.
  private static let readErrorsMost = 64
  /// How far to skip past a failed read.
  private static let skipBytes = 64 << 10

  struct Summary: Sendable, Hashable {
    /// End of the last record that verifies.
    var extent = 0
    /// What had been durable when the last of the records was written, by their own word.
    var durableExtent = 0
    var damagedRegions = 0
    /// Stretches that were not durable, before records that verify.
    var holes = 0
    var hasTornTail = false
    var readErrors = 0
    var highestGeneration: UInt64 = 0
    var scannedBytes = 0
  }

  private struct Gap {
    var range: Range<Int>
    var isZero: Bool
  }

  /// Calls `visit` with each record's header and whole bytes, valid during the call.
  func scan(
    through window: inout ScanWindow,
    visit: (RecordHeader, UnsafeRawBufferPointer) throws(SpillError) -> Void
  ) throws(SpillError) -> Summary {
    var summary = Summary(extent: alignBytes, scannedBytes: fileBytes)
    var gaps: [Gap] = []
    var position = alignBytes
    try window.reset()
    while position + RecordHeader.headerBytes <= fileBytes {
      let sector: UnsafeRawBufferPointer?
      do throws(SpillError) {
        sector = try window.bytes(of: file, at: position, count: alignBytes, end: fileBytes)
      } catch {
        if error.isFatalToScan { throw error }
        summary.readErrors += 1
        guard summary.readErrors < Self.readErrorsMost else { break }
        Self.note(&gaps, position..<min(position + Self.skipBytes, fileBytes), isZero: false)
        position += Self.skipBytes
        continue
      }
      guard let sector else { break }
      guard let header = validHeader(sector, at: position) else {
        Self.note(&gaps, position..<position + alignBytes, isZero: Self.isZero(sector))
        position += alignBytes
        continue
      }
      summary.highestGeneration = max(summary.highestGeneration, header.generation)
      // By its own word even where the body is damaged: the header verifies.
      summary.durableExtent = max(summary.durableExtent, header.durableExtent)
      if let record = try wholeRecord(header, at: position, through: &window, &summary) {
        try visit(header, record)
        summary.extent = position + header.recordBytes
      } else {
        Self.note(&gaps, position..<position + header.recordBytes, isZero: false)
      }
      position += header.recordBytes
    }
    // What was read ahead and not needed ends before the lane is used for something else.
    try window.reset()
    Self.classify(gaps, &summary)
    return summary
  }

  private func validHeader(_ sector: UnsafeRawBufferPointer, at position: Int) -> RecordHeader? {
    guard let header = RecordHeader.decode(sector, limitBytes: fileBytes - position, alignBytes: alignBytes),
      header.store == store, header.segment == number, header.offset == position
    else { return nil }
    return header
  }

  private func wholeRecord(
    _ header: RecordHeader, at position: Int, through window: inout ScanWindow, _ summary: inout Summary
  ) throws(SpillError) -> UnsafeRawBufferPointer? {
    do throws(SpillError) {
      guard let record = try window.bytes(of: file, at: position, count: header.recordBytes, end: fileBytes) else {
        return nil
      }
      let stored = RecordHeader.stored(of: header, in: record)
      return Checksum.of(stored) == header.storedChecksum ? record : nil
    } catch {
      if error.isFatalToScan { throw error }
      summary.readErrors += 1
      return nil
    }
  }

  private static func note(_ gaps: inout [Gap], _ range: Range<Int>, isZero: Bool) {
    if let last = gaps.last, last.range.upperBound == range.lowerBound {
      gaps[gaps.count - 1] = Gap(range: last.range.lowerBound..<range.upperBound, isZero: last.isZero && isZero)
    } else {
      gaps.append(Gap(range: range, isZero: isZero))
    }
  }

  private static func classify(_ gaps: [Gap], _ summary: inout Summary) {
    for gap in gaps {
      if gap.range.lowerBound < summary.durableExtent {
        summary.damagedRegions += 1
      } else if gap.range.lowerBound < summary.extent {
        summary.holes += 1
      } else if !gap.isZero {
        summary.hasTornTail = true
      }
    }
  }

  private static func isZero(_ bytes: UnsafeRawBufferPointer) -> Bool {
    var any: UInt64 = 0
    for i in stride(from: 0, to: bytes.count & ~7, by: 8) {
      any |= bytes.loadUnaligned(fromByteOffset: i, as: UInt64.self)
    }
    return any == 0
  }
}

extension SpillError {
  /// After these the lane, or the memory, is not to be had: there is no going on at the next sector.
  var isFatalToScan: Bool {
    switch self {
    case .timedOut, .busy, .closed: true
    case .io(operation: "allocation", _, _): true
    default: false
    }
  }
}
