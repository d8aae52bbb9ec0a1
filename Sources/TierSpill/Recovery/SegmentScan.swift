/// Scans one segment that has no footer, makes durable what it finds, and seals it.
struct SegmentScan {
  let store: StoreIdentity
  let lanes: LanePool
  let deadlineMs: Int

  private static let rewriteBytes = 2 << 20

  struct Result {
    var summary: SegmentScanner.Summary
    /// What of it is durable, in order.
    var entries: [FooterEntry] = []
    var extent = 0
    var durableExtent = 0
    var fileBytes = 0
    /// It could not be made durable or sealed: nothing more is tried on it.
    var failure: SpillError?
  }

  func run(_ segment: Segment) throws(SpillError) -> Result {
    try lanes.withLane(bytes: ScanWindow.bytes) { lane throws(SpillError) in try run(segment, lane) }
  }

  private func run(_ segment: Segment, _ lane: any IOLane) throws(SpillError) -> Result {
    var window = ScanWindow(lane, deadlineMs: deadlineMs)
    let scanner = SegmentScanner(
      file: segment.file, number: segment.number, store: store, alignBytes: segment.header.alignBytes,
      fileBytes: segment.fileBytes)
    var found: [FooterEntry] = []
    let summary = try scanner.scan(through: &window) { record, _ throws(SpillError) in
      found.append(FooterEntry(record))
    }
    var result = Result(summary: summary, entries: found)
    result.extent = max(summary.extent, segment.firstRecord)
    result.fileBytes = segment.fileBytes
    result.failure = settle(segment, found, summary, extent: result.extent, &window, lane)
    // What the last sync before the crash did not cover may be in the page cache only: unless it was made durable just
    // now, it is not called so.
    result.durableExtent = result.failure == nil ? result.extent : min(summary.durableExtent, result.extent)
    result.entries.removeAll { $0.offset + $0.recordBytes > result.durableExtent }
    if let status = try? segment.file.status() { result.fileBytes = min(status.bytes, segment.fileBytes) }
    return result
  }

  private func settle(
    _ segment: Segment, _ found: [FooterEntry], _ summary: SegmentScanner.Summary, extent: Int,
    _ window: inout ScanWindow, _ lane: any IOLane
  ) -> SpillError? {
    do throws(SpillError) {
      try rewriteTail(of: segment, from: max(summary.durableExtent, segment.firstRecord), to: extent, &window)
      // A segment with failed reads is left as it is: what could not be read may be readable another day.
      guard summary.readErrors == 0 else {
        try lane.sync(segment.file, deadlineMs: deadlineMs)
        return nil
      }
      let footer = SegmentFooter(
        store: store, segment: segment.number, alignBytes: segment.header.alignBytes, extent: extent,
        highestGeneration: summary.highestGeneration, entries: found)
      // Where a footer does not fit what was allocated, the segment goes without: it is scanned the next time, too.
      var end = extent
      if extent + footer.fileBytes <= segment.fileBytes, !found.isEmpty {
        try lane.sync(segment.file, deadlineMs: deadlineMs)
        try footer.write(to: segment.file, lane, deadlineMs: deadlineMs)
        end += footer.fileBytes
      }
      if end < segment.fileBytes { try segment.file.truncate(to: end) }
      try lane.sync(segment.file, deadlineMs: deadlineMs)
      return nil
    } catch {
      return error
    }
  }

  /// Writes what no later record vouches for once more, the same bytes in the same place. What is read back after a
  /// failed sync may be in the page cache only and marked clean there: a sync alone would succeed and do nothing.
  private func rewriteTail(
    of segment: Segment, from start: Int, to extent: Int, _ window: inout ScanWindow
  ) throws(SpillError) {
    var position = start
    while position < extent {
      let count = min(Self.rewriteBytes, extent - position)
      try window.rewrite(segment.file, at: position, count: count)
      position += count
    }
  }
}

extension SegmentFooter {
  /// Writes the footer after the records. The caller cuts the file at its end and syncs.
  func write(to file: any SpillFile, _ lane: any IOLane, deadlineMs: Int) throws(SpillError) {
    try lane.reserve(fileBytes)
    encode(into: lane.bytes(0..<fileBytes))
    try lane.write(0..<fileBytes, to: file, at: extent, deadlineMs: deadlineMs)
  }
}
