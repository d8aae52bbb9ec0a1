import Synchronization
import TierCore

/// A record encoded in a buffer and not placed yet.
struct EncodedRecord {
  /// Which block of the batch.
  let block: Int
  /// Where in the buffer, and the header it will get once its place is known.
  let bufferOffset: Int
  var header: RecordHeader
}

/// Records written to one segment by one operation: published when its sync succeeded. Holds the segment's `writers`.
struct Piece {
  let segment: Segment
  let extent: Range<Int>
  let records: [EncodedRecord]
  /// Once the write has ended well: its number in the segment (`Segment.endWrite`).
  var write: Int?
  var failure: SpillError?
}

/// Segments that operations of one lane use: held until the kernel is done with them.
final class SegmentPins: @unchecked Sendable {
  // The lanes that hold pins are the spill's own; and it uses them in its `deinit`, where counted references trap.
  private unowned(unsafe) let spill: Spill
  private var segments: [Segment] = []

  init(_ spill: Spill) { self.spill = spill }

  /// Under the state's lock.
  func add(_ segment: Segment) {
    segment.readers += 1
    segments.append(segment)
  }

  func release() {
    guard !segments.isEmpty else { return }
    spill.unpin(segments)
    segments = []
  }
}

extension Spill {
  /// Writes the blocks and answers, in their order, what became of each: one group commit, so that a larger batch costs
  /// fewer syncs. A block that is on disk already is durable without a second copy.
  public func write(batch: [BlockWrite]) -> [WriteOutcome] {
    let startNs = MonotonicClock.nowNs()
    var outcomes = [WriteOutcome?](repeating: nil, count: batch.count)
    var aliases: [Int: Int] = [:]
    let work = admit(batch, &outcomes, &aliases)
    if !work.isEmpty {
      appender.enter()
      let pieces = append(work, of: batch, &outcomes)
      commitAndPublish(pieces, &outcomes)
      appender.leave()
      wakeKeeper()
    }
    for (block, original) in aliases { outcomes[block] = outcomes[original] }
    let final = outcomes.map { $0 ?? .failed(.closed) }
    account(final, batch, startNs: startNs, wrote: !work.isEmpty)
    return final
  }

  /// Answers what needs no writing, and names what does.
  private func admit(
    _ batch: [BlockWrite], _ outcomes: inout [WriteOutcome?], _ aliases: inout [Int: Int]
  ) -> [Int] {
    var work: [Int] = []
    var first: [BlockKey: Int] = [:]
    state.withLock { state in
      let mostBytes =
        state.segmentBytes - disk.alignBytes - SegmentFooter.fileBytes(entries: 1, alignBytes: disk.alignBytes)
      for (i, block) in batch.enumerated() {
        let worstBytes = worstBytes(block)
        if state.isClosed {
          outcomes[i] = .failed(.closed)
        } else if state.isDetached {
          outcomes[i] = .failed(.directoryGone(directory: disk.name))
        } else if block.bytes.count != block.layout.payloadBytes {
          outcomes[i] = .failed(
            .wrongLength(bytes: block.bytes.count, expectedBytes: block.layout.payloadBytes))
        } else if worstBytes > mostBytes {
          outcomes[i] = .failed(.blockTooLarge(recordBytes: worstBytes, segmentBytes: mostBytes))
        } else if let stored = state.durableCopy(of: block) {
          outcomes[i] = .durable(storedBytes: stored)
          state.counters.duplicateWrites += 1
        } else if let original = first[block.key], batch[original].checksum == block.checksum {
          aliases[i] = original
        } else {
          first[block.key] = i
          work.append(i)
        }
      }
    }
    return work
  }

  func worstBytes(_ block: BlockWrite) -> Int {
    RecordHeader.recordBytes(stored: block.layout.payloadBytes, alignBytes: disk.alignBytes)
  }

  /// Encodes and appends; answers when all operations have ended.
  private func append(
    _ work: [Int], of batch: [BlockWrite], _ outcomes: inout [WriteOutcome?]
  ) -> [Piece] {
    let pins = SegmentPins(self)
    var run = AppendRun(self, batch: batch, work: work, pins: pins)
    do throws(SpillError) {
      try lanes.withLane(bytes: run.bufferBytes, pins: pins) { lane throws(SpillError) in
        run.play(on: lane, &outcomes)
      }
    } catch {
      for block in work where outcomes[block] == nil { outcomes[block] = .failed(error) }
    }
    return run.pieces
  }

  /// Encodes one record. The original bytes are verified first: what is already damaged in memory must not be called
  /// durable.
  func encode(
    _ i: Int, of batch: [BlockWrite], into buffer: UnsafeMutableRawBufferPointer, at offset: Int,
    scratch: UnsafeMutableRawBufferPointer
  ) -> EncodedRecord? {
    let block = batch[i]
    guard Checksum.of(block.bytes) == block.checksum else { return nil }
    let body = UnsafeMutableRawBufferPointer(
      rebasing: buffer[(offset + RecordHeader.headerBytes)...].prefix(block.bytes.count))
    let (codec, storedBytes) = BlockCodec.encode(block.bytes, layout: block.layout, into: body, scratch: scratch)
    let stored = UnsafeRawBufferPointer(rebasing: body[..<storedBytes])
    let recordBytes = RecordHeader.recordBytes(stored: storedBytes, alignBytes: disk.alignBytes)
    let padding = offset + RecordHeader.headerBytes + storedBytes..<offset + recordBytes
    UnsafeMutableRawBufferPointer(rebasing: buffer[padding]).initializeMemory(as: UInt8.self, repeating: 0)
    let header = RecordHeader(
      key: block.key, layout: block.layout, codec: codec, storedBytes: storedBytes, recordBytes: recordBytes,
      generation: 0, store: store, segment: 0, offset: 0, durableExtent: 0, storedChecksum: Checksum.of(stored),
      originalChecksum: block.checksum)
    return EncodedRecord(block: i, bufferOffset: offset, header: header)
  }

  private func account(_ outcomes: [WriteOutcome], _ batch: [BlockWrite], startNs: UInt64, wrote: Bool) {
    state.withLock { state in
      for outcome in outcomes {
        switch outcome {
        case .durable: break
        case .full: state.counters.fullWrites += 1
        case .failed: state.counters.failedWrites += 1
        }
      }
      if wrote { state.counters.writeLatency.add(ns: MonotonicClock.nowNs() - startNs) }
    }
  }
}
