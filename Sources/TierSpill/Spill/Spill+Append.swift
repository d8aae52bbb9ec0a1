import Synchronization
import TierCore

extension Spill {
  /// Appends records that lie one after the other in `buffer`, in as many pieces as segments they touch. What cannot be
  /// placed is answered; after a failure nothing more of the batch is tried.
  func append(
    _ records: [EncodedRecord], in buffer: UnsafeMutableRawBufferPointer, _ outcomes: inout [WriteOutcome?],
    _ pieces: inout [Piece]
  ) {
    appender.lock.lock()
    defer { appender.lock.unlock() }
    var rest = records[...]
    while let first = rest.first {
      do throws(SpillError) {
        guard let segment = try segmentWithRoom(first.header.recordBytes) else {
          for record in rest { outcomes[record.block] = .full }
          return
        }
        let piece = try appendPiece(of: rest, in: buffer, to: segment, renewing: true)
        rest = rest.dropFirst(piece.records.count)
        pieces.append(piece)
      } catch {
        for record in rest { outcomes[record.block] = .failed(error) }
        return
      }
    }
  }

  /// Writes as many of `records` as the segment has room for, at least one, with one call. With the appender's lock.
  func appendPiece(
    of records: ArraySlice<EncodedRecord>, in buffer: UnsafeMutableRawBufferPointer, to segment: Segment,
    renewing: Bool
  ) throws(SpillError) -> Piece {
    let (start, room, durable) = state.withLock { _ in
      (segment.writtenExtent, segment.freeBytes, segment.durableExtent)
    }
    var placed: [EncodedRecord] = []
    var bytes = 0
    for record in records {
      guard bytes + record.header.recordBytes <= room else { break }
      var record = record
      record.header.segment = segment.number
      record.header.offset = start + bytes
      record.header.durableExtent = durable
      bytes += record.header.recordBytes
      placed.append(record)
    }
    if renewing { stampGenerations(&placed) }
    for record in placed {
      record.header.encode(
        into: UnsafeMutableRawBufferPointer(
          rebasing: buffer[record.bufferOffset..<record.bufferOffset + RecordHeader.headerBytes]))
    }
    let from = records.first?.bufferOffset ?? 0
    do throws(SpillError) {
      try segment.file.write(UnsafeRawBufferPointer(rebasing: buffer[from..<from + bytes]), at: start)
    } catch {
      condemn(segment, error)
      throw error
    }
    state.withLock { _ in
      segment.writtenExtent = start + bytes
      segment.writers += 1
    }
    return Piece(segment: segment, end: start + bytes, records: placed)
  }

  private func stampGenerations(_ records: inout [EncodedRecord]) {
    let first = state.withLock { state in
      defer { state.nextGeneration += UInt64(records.count) }
      return state.nextGeneration
    }
    for i in records.indices { records[i].header.generation = first + UInt64(i) }
  }

  /// The segment at the log's end with room for a record: the open one, a new one, or one freed by moving live records
  /// together. Nil where there is no space under the cap. With the appender's lock.
  private func segmentWithRoom(_ recordBytes: Int) throws(SpillError) -> Segment? {
    var passesLeft = state.withLock { $0.segments.count }
    retryRemovals()
    while true {
      if let segment = openSegment(withRoom: recordBytes) { return segment }
      if state.withLock({ $0.creatableSegments(moving: false) > 0 }) {
        sealOpenSegment()
        appender.segment = try createSegment()
        continue
      }
      guard passesLeft > 0, try reclaimSegment(worthwhile: true) else { return nil }
      passesLeft -= 1
    }
  }

  func openSegment(withRoom recordBytes: Int) -> Segment? {
    guard let segment = appender.segment else { return nil }
    return state.withLock { _ in segment.freeBytes >= recordBytes } ? segment : nil
  }

  /// Syncs each piece's segment, publishes what is durable, and answers for each record.
  func commitAndPublish(_ pieces: [Piece], _ outcomes: inout [WriteOutcome?]) {
    for piece in pieces {
      let failure = commit(piece.segment, upTo: piece.end)
      state.withLock { state in
        piece.segment.writers -= 1
        for record in piece.records {
          if let failure {
            outcomes[record.block] = .failed(failure)
            continue
          }
          _ = state.publish(record.header.key, Entry(record.header))
          outcomes[record.block] = .durable(storedBytes: record.header.recordBytes)
          state.counters.writtenBlocks += 1
          state.counters.writtenOriginalBytes += record.header.layout.payloadBytes
          state.counters.writtenStoredBytes += record.header.recordBytes
        }
        if failure == nil { state.lastError = nil }
      }
    }
    remove(state.withLock { $0.retireEmpty() })
  }

  /// Makes the segment durable up to `end`, sharing the sync with whoever wrote before it began. Nil, or why not.
  func commit(_ segment: Segment, upTo end: Int) -> SpillError? {
    segment.commitLock.lock()
    defer { segment.commitLock.unlock() }
    let (isDurable, condemned, target) = state.withLock { _ in
      (segment.durableExtent >= end, segment.condemned, segment.writtenExtent)
    }
    if isDurable { return nil }
    if let condemned { return condemned }
    let startNs = MonotonicClock.nowNs()
    do throws(SpillError) {
      try segment.file.syncData()
    } catch {
      condemn(segment, error)
      return error
    }
    state.withLock { state in
      segment.durableExtent = max(segment.durableExtent, target)
      state.counters.syncs += 1
      state.counters.syncLatency.add(ns: MonotonicClock.nowNs() - startNs)
    }
    return nil
  }

  /// After a failed write or sync nothing is known of what was written since the last good sync: nothing more is tried
  /// on the segment, and only what was durable before is served.
  private func condemn(_ segment: Segment, _ error: SpillError) {
    state.withLock { state in
      guard segment.condemned == nil else { return }
      segment.condemned = error
      segment.isSealed = true
      state.counters.condemnedSegments += 1
      state.lastError = error
    }
  }
}
