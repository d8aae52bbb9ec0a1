import Synchronization
import TierCore

extension Spill {
  /// Gives as many of `records` as fit their places in the segment, and writes their headers in the buffer, in which a
  /// block is free behind the last. Answers them and where they lie; nil where the segment takes nothing any more. The piece holds the segment's
  /// `writers` from now on.
  func stamp(
    _ records: ArraySlice<EncodedRecord>, for segment: Segment, in buffer: UnsafeMutableRawBufferPointer, renewing: Bool
  ) -> (piece: Piece, range: Range<Int>)? {
    state.withLock { state in
      let start = segment.writtenExtent
      var placed: [EncodedRecord] = []
      var bytes = 0
      for record in records {
        guard bytes + record.header.recordBytes <= segment.room(records: placed.count + 1) else { break }
        var record = record
        record.header.segment = segment.number
        record.header.offset = start + bytes
        record.header.durableExtent = segment.durableExtent
        if renewing {
          record.header.generation = state.nextGeneration
          state.nextGeneration += 1
        }
        bytes += record.header.recordBytes
        placed.append(record)
      }
      guard let from = placed.first?.bufferOffset else { return nil }
      if placed.count == records.count {
        let padding = padding(from: start, bytes: bytes, room: segment.room(records: placed.count))
        UnsafeMutableRawBufferPointer(rebasing: buffer[from + bytes..<from + bytes + padding])
          .initializeMemory(as: UInt8.self, repeating: 0)
        placed[placed.count - 1].header.recordBytes += padding
        bytes += padding
      }
      for record in placed {
        record.header.encode(
          into: UnsafeMutableRawBufferPointer(
            rebasing: buffer[record.bufferOffset..<record.bufferOffset + RecordHeader.headerBytes]))
        segment.entries.append(FooterEntry(record.header))
      }
      segment.writers += 1
      _ = segment.beginWrite(bytes: bytes)
      return (Piece(segment: segment, extent: start..<start + bytes, records: placed), from..<from + bytes)
    }
  }

  /// Zeros after the last record of a write, so that it and the next end at whole blocks of the file system: others are
  /// not carried out at the same time. Not where they would cost more than a 64th.
  private func padding(from start: Int, bytes: Int, room: Int) -> Int {
    let padding = (start + bytes).roundedUp(to: disk.blockBytes) - (start + bytes)
    return bytes + padding <= room && padding * 64 <= bytes ? padding : 0
  }

  /// The piece's write has ended well.
  func didWrite(_ piece: inout Piece) {
    let (segment, start) = (piece.segment, piece.extent.lowerBound)
    piece.write = state.withLock { _ in segment.endWrite(at: start) }
  }

  /// The segment at the log's end with room for a record: the open one, or the next. Nil where there is no space under
  /// the cap. With the appender's lock.
  func segmentWithRoom(_ recordBytes: Int) throws(SpillError) -> Segment? {
    if let segment = appender.segment {
      if state.withLock({ _ in segment.room(records: 1) >= recordBytes }) { return segment }
      appender.segment = nil
      fill(segment)
    }
    // One that was half filled by moved records may lack the room: the next will not.
    for _ in 0..<2 {
      guard let segment = try nextSegment() else { return nil }
      if state.withLock({ _ in segment.room(records: 1) >= recordBytes }) {
        appender.segment = segment
        return segment
      }
      fill(segment)
    }
    return nil
  }

  /// Nothing more is appended; the keeper seals it.
  func fill(_ segment: Segment) {
    state.withLock { state in
      segment.isFull = true
      segment.needsFooter = segment.condemned == nil && !segment.isRetired
      state.retireEmpty()
    }
  }

  private func nextSegment() throws(SpillError) -> Segment? {
    let ready = state.withLock { state in
      defer { state.ready = nil }
      return state.ready
    }
    if let ready {
      wakeKeeper()
      return ready
    }
    if keeper.isRunning { return try keeper.ask(timeoutMs: options.waitMs) }
    guard keeper.gate.enter(timeoutMs: options.waitMs) else { throw .busy(waitedMs: options.waitMs) }
    defer { keeper.gate.leave() }
    return try provideSegment()
  }

  /// Syncs each piece's segment, publishes what is durable, and answers for each record.
  func commitAndPublish(_ pieces: [Piece], _ outcomes: inout [WriteOutcome?]) {
    for piece in pieces {
      let failure = piece.failure ?? commit(piece)
      state.withLock { state in
        piece.segment.writers -= 1
        for record in piece.records {
          if let failure {
            // It may be on disk all the same, and must not turn up as what was never durable.
            state.bury(record.header.key, Entry(record.header))
            outcomes[record.block] = .failed(failure)
            continue
          }
          _ = state.publish(record.header.key, Entry(record.header))
          outcomes[record.block] = .durable(storedBytes: record.header.recordBytes)
          state.counters.writtenBlocks += 1
          state.counters.writtenOriginalBytes += record.header.layout.payloadBytes
          state.counters.writtenStoredBytes += record.header.recordBytes
        }
        // What was under way when the directory went says nothing of whether it is back.
        if failure == nil, !state.isDetached { state.writeFault = nil }
      }
    }
    state.withLock { $0.retireEmpty() }
  }

  /// Makes the piece durable. Nil, or why not.
  func commit(_ piece: Piece) -> SpillError? {
    guard let write = piece.write else { return .closed }
    return commit(piece.segment, writes: write)
  }

  /// Makes the segment's first `writes` to end durable, sharing the sync with all that ended before it began. Nil, or why
  /// not.
  func commit(_ segment: Segment, writes: Int) -> SpillError? {
    segment.commitLock.lock()
    defer { segment.commitLock.unlock() }
    let (isDurable, condemned, target) = state.withLock { _ in
      (segment.syncedWrites >= writes, segment.condemned, segment.syncTarget)
    }
    if isDurable { return nil }
    if let condemned { return condemned }
    let startNs = MonotonicClock.nowNs()
    do throws(SpillError) {
      try sync(segment)
      // A file without a name keeps nothing over a restart, however well it is synced.
      guard try segment.file.status().isLinked else { throw .directoryGone(directory: disk.name) }
    } catch {
      condemn(segment, error)
      return error
    }
    state.withLock { state in
      segment.didSync(target)
      state.counters.syncs += 1
      state.counters.syncLatency.add(ns: MonotonicClock.nowNs() - startNs)
    }
    return nil
  }

  private func sync(_ segment: Segment) throws(SpillError) {
    let pins = SegmentPins(self)
    state.withLock { _ in pins.add(segment) }
    try lanes.withLane(bytes: 0, pins: pins) { lane throws(SpillError) in
      try lane.sync(segment.file, deadlineMs: options.deadlineMs)
    }
  }

  /// After a failed write or sync nothing is known of what was written since the last good sync: nothing more is tried
  /// on the segment. What was durable before is served, and moved elsewhere by the keeper.
  func condemn(_ segment: Segment, _ error: SpillError) {
    state.withLock { state in
      guard segment.condemned == nil else { return }
      segment.condemned = error
      segment.isFull = true
      segment.needsFooter = false
      segment.entries = []
      state.counters.condemnedSegments += 1
      state.writeFault = error
    }
    wakeKeeper()
  }
}
