import Synchronization
public import TierCore

/// A block wanted from disk. `destination` is exactly `layout.payloadBytes`, and the caller's alone until `read` returns.
public struct BlockRead {
  public let key: BlockKey
  public let layout: BlockLayout
  public let destination: UnsafeMutableRawBufferPointer

  public init(key: BlockKey, layout: BlockLayout, destination: UnsafeMutableRawBufferPointer) {
    self.key = key
    self.layout = layout
    self.destination = destination
  }
}

extension Spill {
  /// Reads one block.
  public func read(
    key: BlockKey, layout: BlockLayout, into destination: UnsafeMutableRawBufferPointer
  ) -> ReadOutcome {
    read(batch: [BlockRead(key: key, layout: layout, destination: destination)])[0]
  }

  /// Reads blocks and answers, in their order, what became of each. A record's identity, the checksum of its stored bytes
  /// before they are decoded and of the original bytes after are all verified. Records that lie together are read
  /// together, and decoded while others are being read. Destinations are written by the caller's thread alone: a read
  /// that was given up leaves them as they are.
  public func read(batch: [BlockRead]) -> [ReadOutcome] { read(batch: batch, for: .reader) }

  /// Who wants the blocks: a verification tells the owner of what it finds lost.
  enum ReadPurpose { case reader, verification }

  func read(batch: [BlockRead], for purpose: ReadPurpose) -> [ReadOutcome] {
    let startNs = MonotonicClock.nowNs()
    let pins = SegmentPins(self)
    var outcomes = [ReadOutcome?](repeating: nil, count: batch.count)
    let found = locate(batch, pins, &outcomes)
    if found.isEmpty {
      pins.release()
    } else {
      var run = ReadRun(self, batch: batch, found: found)
      do throws(SpillError) {
        try lanes.withLane(bytes: run.bufferBytes, pins: pins) { lane throws(SpillError) in
          run.play(on: lane, &outcomes)
        }
      } catch {
        for item in found where outcomes[item.index] == nil { outcomes[item.index] = .failed(error) }
      }
    }
    let final = outcomes.map { $0 ?? .failed(.closed) }
    account(final, found, batch, purpose, startNs: startNs)
    return final
  }

  /// Finds the records and keeps their files from being closed.
  private func locate(
    _ batch: [BlockRead], _ pins: SegmentPins, _ outcomes: inout [ReadOutcome?]
  ) -> [ReadItem] {
    state.withLock { state in
      var found: [ReadItem] = []
      for (i, read) in batch.enumerated() {
        if read.destination.count != read.layout.payloadBytes {
          outcomes[i] = .failed(
            .wrongLength(bytes: read.destination.count, expectedBytes: read.layout.payloadBytes))
        } else if state.isClosed {
          outcomes[i] = .failed(.closed)
        } else if let entry = state.index[read.key], entry.layout == read.layout,
          let segment = state.segments[entry.segment]
        {
          pins.add(segment)
          found.append(ReadItem(index: i, entry: entry, segment: segment))
        } else {
          outcomes[i] = .missing
          state.counters.missingReads += 1
        }
      }
      return found
    }
  }

  func unpin(_ segments: [Segment]) {
    let isNews = state.withLock { state in
      for segment in segments { segment.readers -= 1 }
      return segments.contains { ($0.isUnlinked || state.isClosed) && $0.isIdle }
    }
    if isNews { wakeKeeper() }
  }

  /// Everything that makes the bytes in `record` the block's own.
  func verify(
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

  private func account(
    _ outcomes: [ReadOutcome], _ found: [ReadItem], _ batch: [BlockRead], _ purpose: ReadPurpose, startNs: UInt64
  ) {
    guard !found.isEmpty else { return }
    state.withLock { state in
      if purpose == .reader { state.counters.readLatency.add(ns: MonotonicClock.nowNs() - startNs) }
      for item in found {
        let key = batch[item.index].key
        switch outcomes[item.index] {
        case .ok:
          if purpose == .reader {
            state.counters.readBlocks += 1
            state.counters.readOriginalBytes += item.entry.layout.payloadBytes
          }
          state.readFault = nil
          if item.entry.isSuspect { state.setSuspect(key, item.entry, false) }
        case .missing: break
        case .corrupt:
          state.counters.corruptReads += 1
          if purpose == .reader { state.forget(key, ifAt: item.entry) } else { state.lose(key, ifAt: item.entry) }
        case .failed(let error):
          state.counters.failedReads += 1
          state.readFault = error
          if error.isOfTheDisk { state.setSuspect(key, item.entry, true) }
        }
      }
      state.retireEmpty()
    }
    if !keeper.isRunning { wakeKeeper() }
  }
}
