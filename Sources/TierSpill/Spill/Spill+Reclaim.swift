import Glibc
import Synchronization
import TierCore

extension Spill {
  /// Changes the cap. The segment size follows it for new segments. Lowered below what the files take, the old cap
  /// bounds them until enough is forgotten and reclaimed; nothing is dropped, writes answer `full` meanwhile.
  public func setCap(_ capBytes: Int) throws(SpillError) {
    try state.withLock { state throws(SpillError) in
      let segmentBytes = try SegmentSize.choose(
        capBytes: capBytes - state.foreignBytes, asked: options.segmentBytes, besides: state.foreignBytes)
      state.ceilingBytes = max(capBytes, min(max(state.capBytes, state.ceilingBytes), state.usedBytes + segmentBytes))
      state.capBytes = capBytes
      state.segmentBytes = segmentBytes
    }
    wakeKeeper()
  }

  /// Moves live records together and gives files back until a write would find space, or nothing more can be gained.
  /// The keeper does so by itself, in time; this waits for it. Answers the bytes given back.
  @discardableResult
  public func reclaim() throws(SpillError) -> Int {
    guard keeper.gate.enter(timeoutMs: options.waitMs) else { throw .busy(waitedMs: options.waitMs) }
    defer { keeper.gate.leave() }
    sealFull()
    removeRetired()
    let before = state.withLock { $0.fileBytes }
    var passesLeft = state.withLock { $0.segments.count }
    while passesLeft > 0, state.withLock({ !$0.isClosed && $0.creatableSegments(moving: false) == 0 }) {
      guard try reclaimSegment(.any) else { break }
      passesLeft -= 1
    }
    return max(0, before - state.withLock { $0.fileBytes })
  }

  /// How much must be dead in a segment for moving the rest to be worth it.
  enum Gain {
    case any
    /// A write waits for space: at most 31 bytes are moved to gain one.
    case worthwhile
    /// Ahead of need.
    case plenty

    var leastDeadShare: Int {
      switch self {
      case .any: Int.max
      case .worthwhile: 32
      case .plenty: 6
      }
    }
  }

  /// The next segment for the log's end: a new one, or one that moved records have half filled. Reclaims where that is
  /// what it takes. Nil where there is no space under the cap. Behind the keeper's gate.
  func provideSegment() throws(SpillError) -> Segment? {
    sealFull()
    removeRetired()
    var passesLeft = state.withLock { $0.segments.count }
    var waitsLeft = 100
    while true {
      if let segment = try createSegment(moving: false) { return segment }
      if passesLeft > 0, try reclaimSegment(.worthwhile) {
        passesLeft -= 1
      } else if waitsLeft > 0, state.withLock({ $0.segments.values.contains { $0.isUnlinked } }) {
        // Space is about to come free: a removed segment's last reader is on its way.
        waitsLeft -= 1
        lanes.recycle()
        usleep(2000)
        removeRetired()
      } else {
        return keeper.takeSegment()
      }
    }
  }

  /// Moves the live records of the segment with the most dead bytes to the end of the keeper's log and removes it. False
  /// where no segment is worth it or fits. Behind the keeper's gate.
  func reclaimSegment(_ gain: Gain) throws(SpillError) -> Bool {
    let pins = SegmentPins(self)
    guard let victim = pickVictim(gain, pins) else { return false }
    defer { pins.release() }
    guard try moveLiveRecords(of: victim) else { return false }
    state.withLock { state in
      // What is still there did not verify when it was to be moved: it is lost, and said so.
      if victim.liveRecords > 0 {
        for (key, entry) in state.index where entry.segment == victim.number {
          state.lose(key, ifAt: entry)
          state.counters.lostWhileMoving += 1
        }
      }
      state.counters.reclaimedSegments += 1
      state.retire(victim)
    }
    pins.release()
    removeRetired()
    return true
  }

  /// With a reader's hold on it. Condemned segments first: what was durable there should not depend on them.
  private func pickVictim(_ gain: Gain, _ pins: SegmentPins) -> Segment? {
    state.withLock { state in
      let room =
        state.creatableSegments(moving: true) * (state.segmentBytes - 2 * disk.alignBytes)
        + (keeper.segment?.room(records: 1) ?? 0)
      let movable = state.segments.values.filter {
        $0.isFull && !$0.isRetired && !$0.isUnmovable && !$0.isUnscanned && $0.writers == 0 && $0.liveBytes <= room
      }
      let victim =
        movable.filter { $0.condemned != nil }.min { $0.number < $1.number }
        ?? movable.filter { $0.deadBytes > (gain == .any ? 0 : $0.fileBytes / gain.leastDeadShare) }
        .max { ($0.deadBytes, $1.number) < ($1.deadBytes, $0.number) }
      if let victim { pins.add(victim) }
      return victim
    }
  }
}

/// Live records on their way from one segment to another.
private struct Moves {
  /// What one operation moves at most, unless a record is larger.
  static let bytes = 2 << 20
  var records: [EncodedRecord] = []
  var sources: [Entry] = []
  var usedBytes = 0
  var pieces: [Piece] = []
  var isFull = false
}

extension Spill {
  /// Copies what is alive, makes the copies durable, then points the index to them. False where space ran out: what was
  /// copied by then counts, the segment stays.
  private func moveLiveRecords(of victim: Segment) throws(SpillError) -> Bool {
    guard state.withLock({ _ in victim.liveRecords > 0 }) else { return true }
    let (number, end) = state.withLock { _ in (victim.number, victim.writtenExtent) }
    let pins = SegmentPins(self)
    state.withLock { _ in pins.add(victim) }
    var moves = Moves()
    var readErrors = 0
    var failure: SpillError?
    do throws(SpillError) {
      readErrors = try lanes.withLane(bytes: ScanWindow.bytes, pins: pins) {
        source throws(SpillError) in
        var window = ScanWindow(source, deadlineMs: options.deadlineMs)
        let scanner = SegmentScanner(
          file: victim.file, number: number, store: store, alignBytes: victim.header.alignBytes, fileBytes: end)
        return try lanes.withLane(bytes: Moves.bytes + disk.blockBytes) { target throws(SpillError) in
          let summary = try scanner.scan(through: &window) { header, record throws(SpillError) in
            guard let entry = liveEntry(header, victim), !moves.isFull else { return }
            try collect(header, record, entry, target, &moves)
          }
          try flush(target, &moves)
          return summary.readErrors
        }
      }
    } catch {
      failure = error
    }
    failure = settle(moves) ?? failure
    if readErrors > 0 || failure != nil, victim.condemned != nil { state.withLock { _ in victim.isUnmovable = true } }
    if readErrors > 0 { state.withLock { _ in victim.isUnmovable = true } }
    if let failure { throw failure }
    return !moves.isFull && readErrors == 0
  }

  private func liveEntry(_ header: RecordHeader, _ victim: Segment) -> Entry? {
    state.withLock { state in
      guard let entry = state.index[header.key], entry.segment == victim.number, entry.offset == header.offset else {
        return nil
      }
      return entry
    }
  }

  private func collect(
    _ header: RecordHeader, _ record: UnsafeRawBufferPointer, _ source: Entry, _ lane: any IOLane, _ moves: inout Moves
  ) throws(SpillError) {
    var header = header
    // The target's alignment may differ from the victim's where the device changed.
    header.recordBytes = RecordHeader.recordBytes(stored: header.storedBytes, alignBytes: disk.alignBytes)
    if moves.usedBytes + header.recordBytes > Moves.bytes { try flush(lane, &moves) }
    try lane.reserve(header.recordBytes + disk.blockBytes)
    let place = lane.bytes(moves.usedBytes..<moves.usedBytes + header.recordBytes)
    let contentBytes = RecordHeader.headerBytes + header.storedBytes
    place.copyMemory(from: UnsafeRawBufferPointer(rebasing: record[..<contentBytes]))
    UnsafeMutableRawBufferPointer(rebasing: place[contentBytes...]).initializeMemory(as: UInt8.self, repeating: 0)
    moves.records.append(EncodedRecord(block: moves.sources.count, bufferOffset: moves.usedBytes, header: header))
    moves.sources.append(source)
    moves.usedBytes += header.recordBytes
  }

  /// Appends what was collected.
  private func flush(_ lane: any IOLane, _ moves: inout Moves) throws(SpillError) {
    var rest = moves.records[...]
    moves.records = []
    moves.usedBytes = 0
    while let first = rest.first, !moves.isFull {
      guard let segment = try movingSegment(withRoom: first.header.recordBytes) else {
        moves.isFull = true
        return
      }
      // Condemned since it was chosen: another one is.
      guard let (placed, range) = stamp(rest, for: segment, in: lane.buffer, renewing: false) else { continue }
      var piece = placed
      do throws(SpillError) {
        try lane.write(
          range, to: segment.file, at: piece.extent.lowerBound, deadlineMs: options.deadlineMs)
        didWrite(&piece)
      } catch {
        condemn(segment, error)
        piece.failure = error
      }
      moves.pieces.append(piece)
      if let failure = piece.failure { throw failure }
      rest = rest.dropFirst(piece.records.count)
    }
  }

  private func movingSegment(withRoom recordBytes: Int) throws(SpillError) -> Segment? {
    func hasRoom(_ segment: Segment) -> Bool {
      state.withLock { _ in segment.room(records: 1) >= recordBytes }
    }
    if let segment = keeper.segment {
      if hasRoom(segment) { return segment }
      keeper.segment = nil
      fill(segment)
    }
    guard let segment = try createSegment(moving: true) else { return nil }
    keeper.segment = segment
    return hasRoom(segment) ? segment : nil
  }

  /// Syncs the targets and points the index to the copies that are durable. The others' originals stay what counts.
  private func settle(_ moves: Moves) -> SpillError? {
    var failure: SpillError?
    for piece in moves.pieces {
      let pieceFailure = piece.failure ?? commit(piece)
      failure = failure ?? pieceFailure
      state.withLock { state in
        piece.segment.writers -= 1
        guard pieceFailure == nil else {
          for record in piece.records { state.bury(record.header.key, Entry(record.header)) }
          return
        }
        for record in piece.records {
          state.relocate(record.header.key, from: moves.sources[record.block], to: Entry(record.header))
          state.counters.movedRecords += 1
          state.counters.movedBytes += record.header.recordBytes
        }
      }
    }
    state.withLock { $0.retireEmpty() }
    return failure
  }
}
