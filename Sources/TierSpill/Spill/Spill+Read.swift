import Synchronization
public import TierCore

extension Spill {
  /// Reads the block into `destination`, exactly `layout.payloadBytes`: its record's identity, the checksum of the
  /// stored bytes before they are decoded and of the original bytes after are all verified.
  public func read(
    key: BlockKey, layout: BlockLayout, into destination: UnsafeMutableRawBufferPointer
  ) -> ReadOutcome {
    guard destination.count == layout.payloadBytes else {
      return .failed(.wrongLength(bytes: destination.count, expectedBytes: layout.payloadBytes))
    }
    let startNs = MonotonicClock.nowNs()
    guard let (entry, segment) = pin(key, layout) else {
      return state.withLock { state in
        state.counters.missingReads += 1
        return state.isClosed ? .failed(.closed) : .missing
      }
    }
    defer { unpin(segment) }
    let outcome: ReadOutcome
    do throws(SpillError) {
      outcome = try pool.withBuffer(bytes: entry.recordBytes + BlockCodec.scratchBytes(layout)) {
        buffer throws(SpillError) in
        let record = UnsafeMutableRawBufferPointer(rebasing: buffer[..<entry.recordBytes])
        let got = try segment.file.read(into: record, at: entry.offset)
        guard got == record.count else { return .corrupt("the segment file ends inside the record") }
        let scratch = UnsafeMutableRawBufferPointer(rebasing: buffer[entry.recordBytes...])
        return verify(UnsafeRawBufferPointer(record), key, entry, segment, into: destination, scratch: scratch)
      }
    } catch {
      outcome = .failed(error)
    }
    account(outcome, key, entry, startNs: startNs)
    return outcome
  }

  /// Finds the record and keeps its file from being closed.
  private func pin(_ key: BlockKey, _ layout: BlockLayout) -> (Entry, Segment)? {
    state.withLock { state in
      guard !state.isClosed, let entry = state.index[key], entry.layout == layout,
        let segment = state.segments[entry.segment]
      else { return nil }
      segment.readers += 1
      return (entry, segment)
    }
  }

  func unpin(_ segment: Segment) {
    state.withLock { _ in segment.readers -= 1 }
    closeIfUnused(segment)
  }

  /// Everything that makes the bytes in `record` the block's own.
  private func verify(
    _ record: UnsafeRawBufferPointer, _ key: BlockKey, _ entry: Entry, _ segment: Segment,
    into destination: UnsafeMutableRawBufferPointer, scratch: UnsafeMutableRawBufferPointer
  ) -> ReadOutcome {
    guard
      let header = RecordHeader.decode(
        record, limitBytes: entry.recordBytes, alignBytes: segment.header.alignBytes)
    else { return .corrupt("the record's header does not verify") }
    guard header.key == key, header.layout == entry.layout, header.store == store, header.segment == segment.number,
      header.offset == entry.offset, header.generation == entry.generation,
      header.originalChecksum == entry.originalChecksum
    else { return .corrupt("another record lies in this one's place") }
    let stored = RecordHeader.stored(of: header, in: record)
    guard Checksum.of(stored) == header.storedChecksum else { return .corrupt("the stored bytes do not verify") }
    guard
      BlockCodec.decode(stored, codec: header.codec, layout: header.layout, into: destination, scratch: scratch)
    else { return .corrupt("the stored bytes do not decode") }
    guard Checksum.of(UnsafeRawBufferPointer(destination)) == header.originalChecksum else {
      return .corrupt("the decoded bytes do not verify")
    }
    return .ok(checksum: header.originalChecksum)
  }

  private func account(_ outcome: ReadOutcome, _ key: BlockKey, _ entry: Entry, startNs: UInt64) {
    let empty = state.withLock { state -> [Segment] in
      switch outcome {
      case .ok:
        state.counters.readBlocks += 1
        state.counters.readOriginalBytes += entry.layout.payloadBytes
        state.counters.readLatency.add(ns: MonotonicClock.nowNs() - startNs)
        if entry.isSuspect { state.setSuspect(key, entry, false) }
      case .missing: break
      case .corrupt:
        state.counters.corruptReads += 1
        state.forget(key, ifAt: entry)
        return state.retireEmpty()
      case .failed(let error):
        state.counters.failedReads += 1
        if case .io = error { state.setSuspect(key, entry, true) }
      }
      return []
    }
    remove(empty)
  }
}
