/// A file with a segment's name, open, with what its header says or, where that is damaged, what its name does.
struct Candidate {
  let file: any SpillFile
  let bytes: Int
  var header: SegmentHeader
  let headerIsDamaged: Bool
}

extension Recovery {
  /// Opens the files that could be segments of ours, in the order of their numbers, and sets the others aside.
  mutating func openCandidates(_ entries: [DiskEntry]) -> [Candidate] {
    var candidates: [Candidate] = []
    let deaths = disk.recoveryDeaths()
    for entry in entries.sorted(by: { $0.name < $1.name }) where !SpillFileNames.own.contains(entry.name) {
      guard !entry.name.hasSuffix(".new") || !entry.isRegular else { continue }
      guard let number = SegmentName.number(of: entry.name) else {
        setAside(entry.name, entry.bytes, .unknownName)
        continue
      }
      if let times = deaths[number], times >= RecoveryDeaths.most {
        setAside(entry.name, entry.bytes, .crashed(times: times))
        state.crashedSegments.insert(number)
        state.nextSegment = max(state.nextSegment, number + 1)
        continue
      }
      guard entry.isRegular, entry.bytes <= SegmentSize.saneBytes, let file = try? open(entry) else {
        setAside(entry.name, entry.bytes, .unreadable)
        continue
      }
      switch file.parsed {
      case .newer(let version):
        file.file.close()
        setAside(entry.name, entry.bytes, .newerFormat(version: version))
      case .header(let header) where header.number != number:
        file.file.close()
        setAside(entry.name, entry.bytes, .misnamed)
      case .header(let header):
        candidates.append(
          Candidate(file: file.file, bytes: entry.bytes, header: header, headerIsDamaged: false))
      case .damaged:
        let assumed = SegmentHeader(
          store: store, number: number, segmentBytes: entry.bytes, firstGeneration: 0,
          alignBytes: disk.alignBytes)
        candidates.append(Candidate(file: file.file, bytes: entry.bytes, header: assumed, headerIsDamaged: true))
      }
    }
    return candidates
  }

  private func open(_ entry: DiskEntry) throws(SpillError) -> (file: any SpillFile, parsed: SegmentHeader.Parsed) {
    let file = try disk.open(entry.name, alignBytes: disk.alignBytes)
    let parsed: SegmentHeader.Parsed
    do throws(SpillError) {
      parsed = try withFirstBytes(of: file) { SegmentHeader.decode($0) }
    } catch {
      file.close()
      throw error
    }
    guard case .header(let header) = parsed, header.alignBytes < disk.alignBytes else { return (file, parsed) }
    // Written where the device's unit was smaller: read through the page cache.
    file.close()
    return (try disk.open(entry.name, alignBytes: header.alignBytes), parsed)
  }

  /// The first unit of direct I/O, zeros where the file is shorter.
  private func withFirstBytes<Result>(
    of file: any SpillFile, _ body: (UnsafeRawBufferPointer) -> Result
  ) throws(SpillError) -> Result {
    try lanes.withLane(bytes: RecordHeader.mostAlignBytes) { lane throws(SpillError) in
      lane.bytes(0..<RecordHeader.mostAlignBytes).initializeMemory(as: UInt8.self, repeating: 0)
      _ = try lane.read(0..<disk.alignBytes, of: file, at: 0, deadlineMs: options.deadlineMs)
      return body(UnsafeRawBufferPointer(lane.bytes(0..<disk.alignBytes)))
    }
  }

  /// Whose store this is: the identity file says; where it is damaged or missing, most of the segments do; an empty
  /// directory becomes a new store. Segments of other stores are set aside.
  mutating func identify(_ candidates: inout [Candidate], _ entries: [DiskEntry]) throws(SpillError) {
    let identityEntry = entries.first { $0.name == StoreIdentity.fileName }
    var known: StoreIdentity?
    if identityEntry != nil, let file = try? disk.open(StoreIdentity.fileName, alignBytes: disk.alignBytes) {
      defer { file.close() }
      known = (try? withFirstBytes(of: file) { StoreIdentity.decode($0) }) ?? nil
    }
    store = known ?? Self.majority(candidates) ?? .random()
    if known == nil { try store.write(to: disk, lanes, options) }
    state.fileBytes += max(identityEntry?.bytes ?? 0, disk.alignBytes)
    var ours: [Candidate] = []
    for var candidate in candidates {
      if candidate.headerIsDamaged {
        // Its records say themselves whose they are.
        candidate.header = SegmentHeader(
          store: store, number: candidate.header.number, segmentBytes: candidate.header.segmentBytes,
          firstGeneration: 0,
          alignBytes: candidate.header.alignBytes)
        state.report.damagedSegmentHeaders += 1
      } else if candidate.header.store != store {
        candidate.file.close()
        setAside(SegmentName.of(candidate.header.number), candidate.bytes, .foreignStore)
        state.nextSegment = max(state.nextSegment, candidate.header.number + 1)
        continue
      }
      ours.append(candidate)
    }
    candidates = ours
  }

  private static func majority(_ candidates: [Candidate]) -> StoreIdentity? {
    var counts: [StoreIdentity: (segments: Int, highest: UInt64)] = [:]
    for candidate in candidates where !candidate.headerIsDamaged {
      let count = counts[candidate.header.store, default: (0, 0)]
      counts[candidate.header.store] = (count.segments + 1, max(count.highest, candidate.header.number))
    }
    return counts.max { ($0.value.segments, $0.value.highest) < ($1.value.segments, $1.value.highest) }?.key
  }

  /// Reads what is dead.
  mutating func loadTombstones(_ entries: [DiskEntry]) {
    guard let entry = entries.first(where: { $0.name == TombstoneUnit.fileName }) else { return }
    state.fileBytes += entry.bytes
    guard entry.isRegular, entry.bytes <= SegmentSize.saneBytes,
      let file = try? disk.open(entry.name, alignBytes: disk.alignBytes)
    else { return }
    defer { file.close() }
    let found = try? lanes.withLane(bytes: entry.bytes) { lane throws(SpillError) in
      let got = try lane.read(
        0..<entry.bytes / disk.alignBytes * disk.alignBytes, of: file, at: 0, deadlineMs: options.deadlineMs)
      return stride(from: 0, to: got - disk.alignBytes + 1, by: disk.alignBytes).flatMap { at in
        TombstoneUnit.decode(
          UnsafeRawBufferPointer(lane.bytes(at..<at + disk.alignBytes)), store: store, number: at / disk.alignBytes)
      }
    }
    state.tombstones.load(found ?? [])
    // A number or generation that a tombstone names is not given out again: the segment it had may be gone by now.
    for tombstone in state.tombstones.kept {
      state.nextSegment = max(state.nextSegment, tombstone.segment + 1)
      state.nextGeneration = max(state.nextGeneration, tombstone.generation + 1)
    }
  }
}

extension StoreIdentity {
  /// Writes the file `store`.
  func write(to disk: any SpillDisk, _ lanes: LanePool, _ options: SpillOptions) throws(SpillError) {
    let unfinished = Self.fileName + ".new"
    let file = try disk.create(unfinished, bytes: disk.alignBytes)
    defer { file.close() }
    try lanes.withLane(bytes: disk.alignBytes) { lane throws(SpillError) in
      let bytes = lane.bytes(0..<disk.alignBytes)
      bytes.initializeMemory(as: UInt8.self, repeating: 0)
      encode(into: bytes)
      try lane.write(0..<disk.alignBytes, to: file, at: 0, deadlineMs: options.deadlineMs)
      try lane.sync(file, deadlineMs: options.deadlineMs)
    }
    try disk.rename(unfinished, to: Self.fileName)
    try disk.syncDirectory()
  }
}
