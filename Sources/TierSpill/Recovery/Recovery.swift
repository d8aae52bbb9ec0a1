import TierCore

/// Rebuilds the index from the directory. A sealed segment says in its footer what it holds; one without (it was being
/// written, or its footer is damaged) is to be scanned, which may come later. Of several copies of a block the newest
/// counts. Nothing recovered is appended to.
struct Recovery {
  let disk: any SpillDisk
  let options: SpillOptions
  let lanes: LanePool
  var state: SpillState
  var store = StoreIdentity(high: 0, low: 0)

  init(disk: any SpillDisk, capBytes: Int, options: SpillOptions) throws(SpillError) {
    self.disk = disk
    self.options = options
    self.lanes = LanePool(engine: disk.engine, limit: options.lanes, waitMs: options.waitMs)
    self.state = SpillState(capBytes: capBytes, segmentBytes: 0)
  }

  mutating func run() throws(SpillError) {
    let startNs = MonotonicClock.nowNs()
    // Refused before anything is touched.
    _ = try SegmentSize.choose(capBytes: state.capBytes, asked: options.segmentBytes, besides: 0)
    let entries = try disk.list()
    try removeUnfinished(entries)
    var candidates = openCandidates(entries)
    try identify(&candidates, entries)
    loadTombstones(entries)
    for candidate in candidates { take(candidate) }
    // Above what any segment without a footer may hold: each life starts far above the last one's end.
    if !state.unscanned.isEmpty { state.nextGeneration += 1 << 32 }
    state.segmentBytes = try SegmentSize.choose(
      capBytes: state.capBytes - state.foreignBytes, asked: options.segmentBytes, besides: state.foreignBytes)
    if !options.isBackground || isOverCap { try scanNow() }
    if state.unscanned.isEmpty { disk.keepRecoveryDeaths(of: state.crashedSegments) }
    try dropWhatExceedsTheCap()
    state.report.elapsedMs = Int((MonotonicClock.nowNs() - startNs) / 1_000_000)
    state.noteTotals()
  }

  /// Files whose creation never finished hold nothing.
  private mutating func removeUnfinished(_ entries: [DiskEntry]) throws(SpillError) {
    var removed = false
    for entry in entries where entry.isRegular && entry.name.hasSuffix(".new") {
      let name = String(entry.name.dropLast(4))
      guard SegmentName.number(of: name) != nil || SpillFileNames.own.contains(name) else { continue }
      try disk.remove(entry.name)
      removed = true
      state.report.unfinishedSegments += 1
    }
    if removed { try disk.syncDirectory() }
  }

  mutating func setAside(_ name: String, _ bytes: Int, _ reason: RecoveryReport.SetAside.Reason) {
    state.report.setAside.append(.init(name: name, bytes: bytes, reason: reason))
    state.foreignBytes += bytes
  }

  /// Adds one segment of ours, and what its footer says it holds.
  private mutating func take(_ candidate: Candidate) {
    let header = candidate.header
    let segment = Segment(
      header: header, file: candidate.file, fileBytes: candidate.bytes, extent: header.alignBytes)
    segment.isFull = true
    state.segments[header.number] = segment
    state.fileBytes += candidate.bytes
    state.nextSegment = max(state.nextSegment, header.number + 1)
    state.nextGeneration = max(state.nextGeneration, header.firstGeneration)
    let found = (try? disk.recover(header.number) { () throws(SpillError) in try readFooter(segment) }) ?? .damaged
    switch found {
    case .footer(let footer):
      state.adopt(footer.entries, of: segment, extent: footer.extent)
      state.nextGeneration = max(state.nextGeneration, footer.highestGeneration + 1)
    case .none:
      segment.isUnscanned = true
      state.unscanned.append(header.number)
    case .damaged:
      state.report.damagedFooters += 1
      segment.isUnscanned = true
      state.unscanned.append(header.number)
    }
  }

  private func readFooter(_ segment: Segment) throws(SpillError) -> FooterReader.Found {
    try lanes.withLane(bytes: FooterReader.windowBytes) { lane throws(SpillError) in
      try FooterReader(segment: segment, store: store, lane: lane, deadlineMs: options.deadlineMs).read()
    }
  }

  private var isOverCap: Bool {
    state.usedBytes > state.capBytes || (isShrunk && state.usedBytes + state.segmentBytes > state.capBytes)
  }

  private mutating func scanNow() throws(SpillError) {
    let scan = SegmentScan(store: store, lanes: lanes, deadlineMs: options.deadlineMs)
    for number in state.unscanned {
      guard let segment = state.segments[number] else { continue }
      let result = try disk.recover(number) { () throws(SpillError) in try scan.run(segment) }
      state.take(result, of: segment)
    }
    state.endRecovery()
    state.retireEmpty()
    for leftover in state.leftovers {
      if let segment = leftover.segment { try drop(segment) }
    }
    state.leftovers = []
  }

  /// The cap was lowered, or the disk holds more than it should: whole segments go, those with the least in them first.
  private mutating func dropWhatExceedsTheCap() throws(SpillError) {
    while isOverCap {
      guard let least = state.segments.values.min(by: { ($0.liveBytes, $0.number) < ($1.liveBytes, $1.number) })
      else { break }
      for (key, entry) in state.index where entry.segment == least.number {
        _ = state.forget(key)
        state.report.droppedRecords += 1
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
    state.report.emptySegments += 1
  }
}

/// Names of our files that are no segments.
enum SpillFileNames {
  static let own: Set<String> = [StoreIdentity.fileName, TombstoneUnit.fileName, RecoveryDeaths.fileName]
}

extension SpillState {
  /// Publishes what a sealed segment says it holds.
  mutating func adopt(_ entries: [FooterEntry], of segment: Segment, extent: Int) {
    (segment.writtenExtent, segment.durableExtent) = (extent, extent)
    for entry in entries { adopt(entry.key, Entry(entry, segment: segment.number)) }
  }

  private mutating func adopt(_ key: BlockKey, _ entry: Entry) {
    if tombstones.kills(key, entry) {
      report.forgottenRecords += 1
    } else if index[key] != nil {
      report.duplicates += 1
    }
    _ = publish(key, entry)
  }

  /// Publishes what a scan has found; answers it. The segment is like any other from now on.
  @discardableResult
  mutating func take(_ scan: SegmentScan.Result, of segment: Segment) -> [BlockKey] {
    unscanned.removeAll { $0 == segment.number }
    segment.isUnscanned = false
    (segment.writtenExtent, segment.durableExtent) = (scan.extent, scan.durableExtent)
    segment.condemned = scan.failure
    if let failure = scan.failure { writeFault = failure }
    fileBytes -= segment.fileBytes - scan.fileBytes
    segment.fileBytes = scan.fileBytes
    report.scannedBytes += scan.summary.scannedBytes
    report.damagedRegions += scan.summary.damagedRegions
    report.holes += scan.summary.holes
    report.tornTails += scan.summary.hasTornTail ? 1 : 0
    report.readErrors += scan.summary.readErrors
    nextGeneration = max(nextGeneration, scan.summary.highestGeneration + 1)
    var found: [BlockKey] = []
    for entry in scan.entries {
      adopt(entry.key, Entry(entry, segment: segment.number))
      found.append(entry.key)
    }
    return found
  }

  mutating func endRecovery() {
    unscanned = []
    tombstones.endRecovery()
  }

  mutating func noteTotals() {
    report.segments = segments.count
    report.records = index.count
    report.originalBytes = liveOriginalBytes
    report.storedBytes = segments.values.reduce(0) { $0 + $1.liveBytes }
  }
}
