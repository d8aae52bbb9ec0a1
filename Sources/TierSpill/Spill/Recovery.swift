/// Rebuilds the index from the directory: every segment of this store is scanned, every record that verifies is found,
/// the newest copy of a block counts. Nothing recovered is appended to: a segment that was open is cut at its last good
/// record, synced and sealed.
struct Recovery: ~Copyable {
  let disk: any SpillDisk
  let options: SpillOptions
  var state: SpillState
  var store = StoreIdentity(high: 0, low: 0)
  var report = RecoveryReport()

  private var window: ScanWindow

  init(disk: any SpillDisk, capBytes: Int, options: SpillOptions) throws(SpillError) {
    self.disk = disk
    self.options = options
    self.state = SpillState(capBytes: capBytes, segmentBytes: 0)
    self.window = try ScanWindow()
  }

  mutating func run() throws(SpillError) {
    let startNs = MonotonicClock.nowNs()
    // Refused before anything is touched.
    _ = try SegmentSize.choose(capBytes: state.capBytes, asked: options.segmentBytes, besides: 0)
    let entries = try disk.list()
    try removeUnfinished(entries)
    var candidates = openCandidates(entries)
    try identify(&candidates, entries)
    for candidate in candidates { try take(candidate) }
    state.segmentBytes = try SegmentSize.choose(
      capBytes: state.capBytes - state.foreignBytes, asked: options.segmentBytes, besides: state.foreignBytes)
    try dropWhatExceedsTheCap()
    report.segments = state.segments.count
    report.records = state.index.count
    report.originalBytes = state.liveOriginalBytes
    report.storedBytes = state.segments.values.reduce(0) { $0 + $1.liveBytes }
    report.elapsedMs = Int((MonotonicClock.nowNs() - startNs) / 1_000_000)
  }

  /// Files whose creation never finished hold nothing.
  private mutating func removeUnfinished(_ entries: [DiskEntry]) throws(SpillError) {
    var removed = false
    for entry in entries where entry.isRegular && entry.name.hasSuffix(".new") {
      let name = String(entry.name.dropLast(4))
      guard SegmentName.number(of: name) != nil || name == StoreIdentity.fileName else { continue }
      try disk.remove(entry.name)
      removed = true
      report.unfinishedSegments += 1
    }
    if removed { try disk.syncDirectory() }
  }

  mutating func setAside(_ name: String, _ bytes: Int, _ reason: RecoveryReport.SetAside.Reason) {
    report.setAside.append(.init(name: name, bytes: bytes, reason: reason))
    state.foreignBytes += bytes
  }

  /// Scans one segment of ours and adds what it holds.
  private mutating func take(_ candidate: Candidate) throws(SpillError) {
    let header = candidate.header
    let segment = Segment(
      header: header, file: candidate.file, fileBytes: candidate.bytes, extent: header.alignBytes)
    segment.isSealed = true
    state.segments[header.number] = segment
    state.fileBytes += candidate.bytes
    state.nextSegment = max(state.nextSegment, header.number + 1)
    let scanner = SegmentScanner(
      file: candidate.file, number: header.number, store: store, alignBytes: header.alignBytes,
      fileBytes: candidate.bytes)
    var found: [RecordHeader] = []
    let summary = try scanner.scan(through: &window) { record, _ throws(SpillError) in found.append(record) }
    report.scannedBytes += summary.scannedBytes
    report.damagedRegions += summary.damagedRegions
    report.tornTails += summary.hasTornTail ? 1 : 0
    report.readErrors += summary.readErrors
    state.nextGeneration = max(state.nextGeneration, summary.highestGeneration + 1)
    segment.writtenExtent = max(summary.extent, header.alignBytes)
    settle(segment, summary)
    // What the last sync before the crash did not cover may be in the page cache only: unless it can be made durable
    // now, it is not called so.
    segment.durableExtent = segment.condemned == nil ? segment.writtenExtent : summary.durableExtent
    for record in found where record.offset + record.recordBytes <= segment.durableExtent {
      if state.index[record.key] != nil { report.duplicates += 1 }
      _ = state.publish(record.key, Entry(record))
    }
    try removeIfEmpty(segment)
  }

  private mutating func settle(_ segment: Segment, _ summary: SegmentScanner.Summary) {
    do throws(SpillError) {
      try rewriteTail(of: segment, from: max(summary.durableExtent, segment.firstRecord))
      // A segment with failed reads is left as it is: what could not be read may be readable another day.
      if summary.readErrors == 0, segment.writtenExtent < segment.fileBytes {
        try segment.file.truncate(to: segment.writtenExtent)
      }
      try segment.file.syncData()
    } catch {
      segment.condemned = error
    }
  }
}

extension Recovery {
  /// Writes what no later record vouches for once more, the same bytes in the same place. What is read back after a
  /// failed sync may be in the page cache only and marked clean there: a sync alone would succeed and do nothing.
  private mutating func rewriteTail(of segment: Segment, from start: Int) throws(SpillError) {
    var position = start
    while position < segment.writtenExtent {
      let count = min(ScanWindow.leastBytes, segment.writtenExtent - position)
      guard
        let bytes = try window.bytes(of: segment.file, at: position, count: count, end: segment.writtenExtent)
      else { return }
      try segment.file.write(bytes, at: position)
      position += count
    }
  }

  /// Accounts for a truncation, and gives back segments in which nothing is alive.
  private mutating func removeIfEmpty(_ segment: Segment) throws(SpillError) {
    if let bytes = try? segment.file.bytes(), bytes < segment.fileBytes {
      state.fileBytes -= segment.fileBytes - bytes
      segment.fileBytes = bytes
    }
    if let error = segment.condemned { state.lastError = error }
    for empty in state.retireEmpty() { try drop(empty) }
  }

  /// The cap was lowered, or the disk holds more than it should: whole segments go, those with the least in them first.
  private mutating func dropWhatExceedsTheCap() throws(SpillError) {
    while state.usedBytes > state.capBytes || (isShrunk && state.usedBytes + state.segmentBytes > state.capBytes) {
      guard let least = state.segments.values.min(by: { ($0.liveBytes, $0.number) < ($1.liveBytes, $1.number) })
      else { break }
      for (key, entry) in state.index where entry.segment == least.number {
        _ = state.forget(key)
        report.droppedRecords += 1
      }
      try drop(least)
    }
  }

  /// Whether the segments here were made under a larger cap.
  private var isShrunk: Bool { state.segments.values.contains { $0.fileBytes > state.segmentBytes } }

  private mutating func drop(_ segment: Segment) throws(SpillError) {
    segment.isRetired = true
    try disk.remove(SegmentName.of(segment.number))
    try disk.syncDirectory()
    segment.file.close()
    state.segments[segment.number] = nil
    state.fileBytes -= segment.fileBytes
    report.emptySegments += 1
  }
}
