import Synchronization
import TierCore

extension Spill {
  /// Changes the cap. The segment size follows it for new segments. Lowered below what the files take, the old cap
  /// bounds them until enough is forgotten and reclaimed; nothing is dropped, writes answer `full` meanwhile.
  public func setCap(_ capBytes: Int) throws(SpillError) {
    let lowered = try state.withLock { state throws(SpillError) in
      let segmentBytes = try SegmentSize.choose(
        capBytes: capBytes - state.foreignBytes, asked: options.segmentBytes, besides: state.foreignBytes)
      let lowered = capBytes < state.capBytes
      state.ceilingBytes = max(capBytes, min(max(state.capBytes, state.ceilingBytes), state.usedBytes + segmentBytes))
      state.capBytes = capBytes
      state.segmentBytes = segmentBytes
      return lowered
    }
    if lowered { try reclaim() }
  }

  /// Moves live records together and gives files back until a write would find space, or nothing more can be gained.
  /// Answers the bytes given back.
  @discardableResult
  public func reclaim() throws(SpillError) -> Int {
    appender.lock.lock()
    defer { appender.lock.unlock() }
    retryRemovals()
    let before = state.withLock { $0.fileBytes }
    var passesLeft = state.withLock { $0.segments.count }
    while passesLeft > 0, state.withLock({ !$0.isClosed && $0.creatableSegments(moving: false) == 0 }) {
      guard try reclaimSegment(worthwhile: false) else { break }
      passesLeft -= 1
    }
    return max(0, before - state.withLock { $0.fileBytes })
  }

  /// Moves the live records of the segment with the most dead bytes to the log's end and removes it. False where no
  /// segment is worth it or fits. With the appender's lock.
  func reclaimSegment(worthwhile: Bool) throws(SpillError) -> Bool {
    guard let victim = pickVictim(worthwhile: worthwhile) else { return waitForReaders() }
    defer { unpin(victim) }
    guard try moveLiveRecords(of: victim) else { return false }
    let isRetired = state.withLock { state in
      // What is still there did not verify when it was to be moved: it is lost, and said so.
      for (key, entry) in state.index where victim.liveRecords > 0 && entry.segment == victim.number {
        _ = state.forget(key)
        state.counters.lostWhileMoving += 1
      }
      defer { victim.isRetired = true }
      state.counters.reclaimedSegments += 1
      return victim.isRetired
    }
    if !isRetired { remove([victim]) }
    return true
  }

  /// With a reader's hold on it. Foreground passes skip segments with less than 1/32 dead: that bounds what a write may
  /// have to move to gain a byte.
  private func pickVictim(worthwhile: Bool) -> Segment? {
    let openRoom = appender.segment
    return state.withLock { state in
      let room =
        state.creatableSegments(moving: true) * (state.segmentBytes - disk.alignBytes)
        + (openRoom?.freeBytes ?? 0)
      let victim = state.segments.values
        .filter {
          $0.isSealed && !$0.isRetired && !$0.isUnmovable && $0.writers == 0 && $0.liveBytes <= room
            && $0.deadBytes > (worthwhile ? $0.fileBytes / 32 : 0)
        }
        .max { ($0.deadBytes, $1.number) < ($1.deadBytes, $0.number) }
      victim?.readers += 1
      return victim
    }
  }

  /// Space may be about to come free: a removed segment's last reader is on its way. Whether it came.
  private func waitForReaders() -> Bool {
    func isPending() -> Bool { state.withLock { $0.segments.values.contains { $0.isUnlinked } } }
    guard isPending() else { return false }
    freed.lock()
    defer { freed.unlock() }
    return freed.wait(timeoutMs: min(options.waitMs, 1000)) { !isPending() }
  }
}

/// Live records on their way from one segment to another.
private struct Moves {
  let buffer: AlignedBuffer
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
    guard let buffer = AlignedBuffer(bytes: ScanWindow.leastBytes) else {
      throw .io(operation: "allocation", file: "reclaim buffer", errno: 12)
    }
    var moves = Moves(buffer: buffer)
    var window = try ScanWindow()
    let scanner = SegmentScanner(
      file: victim.file, number: victim.number, store: store, alignBytes: victim.header.alignBytes,
      fileBytes: state.withLock { _ in victim.writtenExtent })
    var failure: SpillError?
    var readErrors = 0
    do throws(SpillError) {
      let summary = try scanner.scan(through: &window) { header, record throws(SpillError) in
        guard let source = liveEntry(header, victim), !moves.isFull else { return }
        try collect(header, record, source, &moves)
      }
      readErrors = summary.readErrors
      try flush(&moves)
    } catch {
      failure = error
    }
    failure = settle(moves) ?? failure
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
    _ header: RecordHeader, _ record: UnsafeRawBufferPointer, _ source: Entry, _ moves: inout Moves
  ) throws(SpillError) {
    var header = header
    // The target's alignment may differ from the victim's where the device changed.
    header.recordBytes = RecordHeader.recordBytes(stored: header.storedBytes, alignBytes: disk.alignBytes)
    if header.recordBytes > moves.buffer.bytes.count - moves.usedBytes { try flush(&moves) }
    if header.recordBytes > moves.buffer.bytes.count {
      guard let larger = AlignedBuffer(bytes: header.recordBytes) else {
        throw .io(operation: "allocation", file: "reclaim buffer", errno: 12)
      }
      moves = Moves(buffer: larger, pieces: moves.pieces, isFull: moves.isFull)
    }
    let place = UnsafeMutableRawBufferPointer(
      rebasing: moves.buffer.bytes[moves.usedBytes..<moves.usedBytes + header.recordBytes])
    let contentBytes = RecordHeader.headerBytes + header.storedBytes
    place.copyMemory(from: UnsafeRawBufferPointer(rebasing: record[..<contentBytes]))
    UnsafeMutableRawBufferPointer(rebasing: place[contentBytes...]).initializeMemory(as: UInt8.self, repeating: 0)
    moves.records.append(EncodedRecord(block: moves.sources.count, bufferOffset: moves.usedBytes, header: header))
    moves.sources.append(source)
    moves.usedBytes += header.recordBytes
  }

  /// Appends what was collected.
  private func flush(_ moves: inout Moves) throws(SpillError) {
    var rest = moves.records[...]
    moves.records = []
    moves.usedBytes = 0
    while let first = rest.first, !moves.isFull {
      if openSegment(withRoom: first.header.recordBytes) == nil {
        let fits = state.withLock { state in
          state.creatableSegments(moving: true) > 0
            && first.header.recordBytes <= state.segmentBytes - disk.alignBytes
        }
        guard fits else {
          moves.isFull = true
          return
        }
        sealOpenSegment()
        appender.segment = try createSegment()
      }
      guard let segment = openSegment(withRoom: first.header.recordBytes) else {
        moves.isFull = true
        return
      }
      let piece = try appendPiece(of: rest, in: moves.buffer.bytes, to: segment, renewing: false)
      rest = rest.dropFirst(piece.records.count)
      moves.pieces.append(piece)
    }
  }

  /// Syncs the targets and points the index to the copies that are durable. The others' originals stay what counts.
  private func settle(_ moves: Moves) -> SpillError? {
    var failure: SpillError?
    for piece in moves.pieces {
      let pieceFailure = commit(piece.segment, upTo: piece.end)
      failure = failure ?? pieceFailure
      state.withLock { state in
        piece.segment.writers -= 1
        guard pieceFailure == nil else { return }
        for record in piece.records {
          state.relocate(record.header.key, from: moves.sources[record.block], to: Entry(record.header))
          state.counters.movedRecords += 1
          state.counters.movedBytes += record.header.recordBytes
        }
      }
    }
    remove(state.withLock { $0.retireEmpty() })
    return failure
  }
}
