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

/// Records written to one segment by one append: published when its sync succeeded. Holds the segment's `writers`.
struct Piece {
  let segment: Segment
  let end: Int
  var records: [EncodedRecord]
}

extension Spill {
  /// Writes the blocks and answers, in their order, what became of each: one group commit, so that a larger batch costs
  /// fewer syncs. A block that is on disk already is durable without a second copy.
  public func write(batch: [BlockWrite]) -> [WriteOutcome] {
    let startNs = MonotonicClock.nowNs()
    var outcomes = [WriteOutcome?](repeating: nil, count: batch.count)
    var aliases: [Int: Int] = [:]
    let work = admit(batch, &outcomes, &aliases)
    var pieces: [Piece] = []
    var next = work.startIndex
    while next < work.endIndex {
      let chunk = nextChunk(of: work[next...], batch)
      next = chunk.endIndex
      writeChunk(chunk, of: batch, &outcomes, &pieces)
    }
    commitAndPublish(pieces, &outcomes)
    for (block, original) in aliases { outcomes[block] = outcomes[original] }
    let final = outcomes.map { $0 ?? .failed(.closed) }
    account(final, batch, startNs: startNs, wrote: !work.isEmpty)
    return final
  }

  /// Bytes of records encoded before they are appended: what one write call to the kernel moves at most.
  private static var chunkBytes: Int { 8 << 20 }

  /// Answers what needs no writing, and names what does.
  private func admit(
    _ batch: [BlockWrite], _ outcomes: inout [WriteOutcome?], _ aliases: inout [Int: Int]
  ) -> [Int] {
    var work: [Int] = []
    var first: [BlockKey: Int] = [:]
    state.withLock { state in
      let mostBytes = state.segmentBytes - disk.alignBytes
      for (i, block) in batch.enumerated() {
        let worstBytes = RecordHeader.recordBytes(stored: block.layout.payloadBytes, alignBytes: disk.alignBytes)
        if state.isClosed {
          outcomes[i] = .failed(.closed)
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

  private func nextChunk(of work: ArraySlice<Int>, _ batch: [BlockWrite]) -> ArraySlice<Int> {
    var bytes = 0
    var end = work.startIndex
    while end < work.endIndex {
      bytes += worstBytes(batch[work[end]])
      if bytes > Self.chunkBytes, end > work.startIndex { break }
      end += 1
    }
    return work[work.startIndex..<end]
  }

  private func worstBytes(_ block: BlockWrite) -> Int {
    RecordHeader.recordBytes(stored: block.layout.payloadBytes, alignBytes: disk.alignBytes)
  }

  private func writeChunk(
    _ chunk: ArraySlice<Int>, of batch: [BlockWrite], _ outcomes: inout [WriteOutcome?], _ pieces: inout [Piece]
  ) {
    do throws(SpillError) {
      let recordBytes = chunk.reduce(0) { $0 + worstBytes(batch[$1]) }
      let scratchBytes = chunk.reduce(0) { max($0, BlockCodec.scratchBytes(batch[$1].layout)) }
      try pool.withBuffer(bytes: recordBytes + scratchBytes) { buffer throws(SpillError) in
        let scratch = UnsafeMutableRawBufferPointer(rebasing: buffer[recordBytes...])
        let records = encode(chunk, of: batch, into: buffer, scratch: scratch, &outcomes)
        append(records, in: buffer, &outcomes, &pieces)
      }
    } catch {
      for block in chunk where outcomes[block] == nil { outcomes[block] = .failed(error) }
    }
  }

  /// Encodes one record after the other. The original bytes are verified first: what is already damaged in memory must
  /// not be called durable.
  private func encode(
    _ chunk: ArraySlice<Int>, of batch: [BlockWrite], into buffer: UnsafeMutableRawBufferPointer,
    scratch: UnsafeMutableRawBufferPointer, _ outcomes: inout [WriteOutcome?]
  ) -> [EncodedRecord] {
    var records: [EncodedRecord] = []
    var offset = 0
    for i in chunk {
      let block = batch[i]
      guard Checksum.of(block.bytes) == block.checksum else {
        outcomes[i] = .failed(.checksumMismatch)
        continue
      }
      let body = UnsafeMutableRawBufferPointer(
        rebasing: buffer[(offset + RecordHeader.headerBytes)...].prefix(block.bytes.count))
      let (codec, storedBytes) = BlockCodec.encode(
        block.bytes, layout: block.layout, into: body, scratch: scratch)
      let stored = UnsafeRawBufferPointer(rebasing: body[..<storedBytes])
      let recordBytes = RecordHeader.recordBytes(stored: storedBytes, alignBytes: disk.alignBytes)
      let padding = offset + RecordHeader.headerBytes + storedBytes..<offset + recordBytes
      UnsafeMutableRawBufferPointer(rebasing: buffer[padding]).initializeMemory(as: UInt8.self, repeating: 0)
      let header = RecordHeader(
        key: block.key, layout: block.layout, codec: codec, storedBytes: storedBytes, recordBytes: recordBytes,
        generation: 0, store: store, segment: 0, offset: 0, durableExtent: 0, storedChecksum: Checksum.of(stored),
        originalChecksum: block.checksum)
      records.append(EncodedRecord(block: i, bufferOffset: offset, header: header))
      offset += recordBytes
    }
    return records
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
