import Synchronization
import TierCore

/// One batch on its way to the log's end: records are encoded into one part of the lane's buffer while others are being
/// written from the other parts. Several batches do so at a time, and take their places at the log's end in turns: a batch
/// waits neither for another's writes nor for its sync.
struct AppendRun {
  private let spill: Spill
  private let batch: [BlockWrite]
  private var rest: ArraySlice<Int>
  private let pins: SegmentPins
  private let partBytes: Int
  private let parts: Int
  private let scratchBytes: Int
  /// What was appended, in order.
  private(set) var pieces: [Piece] = []
  /// Pieces in flight, oldest first, and when each is overdue.
  private var inFlight: [(tag: Int, piece: Int, part: Int, deadlineNs: UInt64)] = []
  /// Operations were given up.
  private var isOver = false
  /// What became of the blocks that could not be placed.
  private var verdict: WriteOutcome?

  /// What one operation moves at most, unless a record is larger.
  private static let partBytes = 1 << 20
  private static let parts = 4

  init(_ spill: Spill, batch: [BlockWrite], work: [Int], pins: SegmentPins) {
    self.spill = spill
    self.batch = batch
    self.rest = work[...]
    self.pins = pins
    let largest = work.reduce(0) { max($0, spill.worstBytes(batch[$1])) }
    let all = work.reduce(0) { $0 + spill.worstBytes(batch[$1]) }
    partBytes = (max(largest, min(all, Self.partBytes)) + spill.disk.blockBytes).roundedUp(to: spill.disk.blockBytes)
    parts = min(Self.parts, max(1, (all + partBytes - 1) / partBytes))
    scratchBytes = work.reduce(0) { max($0, BlockCodec.scratchBytes(batch[$1].layout)) }
  }

  var bufferBytes: Int { parts * partBytes + scratchBytes }

  mutating func play(on lane: any IOLane, _ outcomes: inout [WriteOutcome?]) {
    var part = 0
    while !rest.isEmpty, !isOver {
      while !isOver, inFlight.contains(where: { $0.part == part }) || inFlight.count >= IOLimits.depth - 4 {
        collect(lane)
      }
      if isOver { break }
      let records = encode(into: lane, part, &outcomes)
      place(records, from: part, on: lane, &outcomes)
      part = (part + 1) % parts
    }
    while !inFlight.isEmpty, !isOver { collect(lane) }
    if isOver { answerTheRest(&outcomes) }
  }

  /// Fills one part of the buffer.
  private mutating func encode(
    into lane: any IOLane, _ part: Int, _ outcomes: inout [WriteOutcome?]
  ) -> [EncodedRecord] {
    let buffer = lane.buffer
    let scratch = UnsafeMutableRawBufferPointer(rebasing: buffer[(parts * partBytes)...].prefix(scratchBytes))
    var records: [EncodedRecord] = []
    var offset = part * partBytes
    // A block is left for padding.
    let end = offset + partBytes - spill.disk.blockBytes
    while let i = rest.first, offset + spill.worstBytes(batch[i]) <= end {
      rest.removeFirst()
      guard let record = spill.encode(i, of: batch, into: buffer, at: offset, scratch: scratch) else {
        outcomes[i] = .failed(.checksumMismatch)
        continue
      }
      offset += record.header.recordBytes
      records.append(record)
    }
    return records
  }

  /// Starts writing records that lie one after the other, in as many pieces as segments they touch. What cannot be
  /// placed is answered; after a failure nothing more of the batch is tried.
  private mutating func place(
    _ records: [EncodedRecord], from part: Int, on lane: any IOLane, _ outcomes: inout [WriteOutcome?]
  ) {
    var left = records[...]
    if let verdict { for record in left { outcomes[record.block] = verdict } }
    while verdict == nil, !left.isEmpty, !isOver {
      while !isOver, inFlight.count >= IOLimits.depth { collect(lane) }
      if isOver { break }
      do throws(SpillError) {
        guard let (piece, range) = try takePlace(left, in: lane.buffer) else {
          stop(.full, left, &outcomes)
          return
        }
        let tag = (0..<IOLimits.depth).first { tag in !inFlight.contains { $0.tag == tag } } ?? 0
        lane.submit(.write, piece.segment.file, at: piece.extent.lowerBound, range, tag: tag)
        inFlight.append(
          (tag, pieces.count, part, MonotonicClock.nowNs() + UInt64(spill.options.deadlineMs) * 1_000_000))
        left = left.dropFirst(piece.records.count)
        pieces.append(piece)
      } catch {
        stop(.failed(error), left, &outcomes)
        return
      }
    }
    for record in left where outcomes[record.block] == nil { outcomes[record.block] = .failed(.closed) }
  }

  /// The next place at the log's end, for as many of the records as fit one segment. Nil where there is no space.
  private func takePlace(
    _ records: ArraySlice<EncodedRecord>, in buffer: UnsafeMutableRawBufferPointer
  ) throws(SpillError) -> (piece: Piece, range: Range<Int>)? {
    guard let first = records.first else { return nil }
    spill.appender.lock.lock()
    defer { spill.appender.lock.unlock() }
    while let segment = try spill.segmentWithRoom(first.header.recordBytes) {
      // Nothing where it was condemned since: the next one is asked for.
      guard let placed = spill.stamp(records, for: segment, in: buffer, renewing: true) else { continue }
      spill.state.withLock { _ in pins.add(segment) }
      return placed
    }
    return nil
  }

  /// Nothing more of the batch is tried.
  private mutating func stop(
    _ verdict: WriteOutcome, _ left: ArraySlice<EncodedRecord>, _ outcomes: inout [WriteOutcome?]
  ) {
    self.verdict = verdict
    for record in left { outcomes[record.block] = verdict }
    for i in rest { outcomes[i] = verdict }
    rest = []
  }

  /// Waits for one operation to end.
  private mutating func collect(_ lane: any IOLane) {
    guard let oldest = inFlight.first else { return }
    guard let ended = lane.next(untilNs: oldest.deadlineNs) else {
      // Given up, all of it: the lane stays with what is in flight.
      isOver = true
      for entry in inFlight {
        let segment = pieces[entry.piece].segment
        fail(entry.piece, .timedOut(operation: "writing", file: segment.file.name, afterMs: spill.options.deadlineMs))
      }
      inFlight = []
      return
    }
    guard let at = inFlight.firstIndex(where: { $0.tag == ended.tag }) else { return }
    let entry = inFlight.remove(at: at)
    let piece = pieces[entry.piece]
    if ended.result < 0 {
      fail(
        entry.piece,
        .from(operation: "writing", file: piece.segment.file.name, errno: Int32(clamping: -ended.result)))
    } else if ended.result < piece.extent.count {
      fail(entry.piece, .diskFull(file: piece.segment.file.name))
    } else {
      spill.didWrite(&pieces[entry.piece])
    }
  }

  private mutating func fail(_ piece: Int, _ error: SpillError) {
    pieces[piece].failure = error
    spill.condemn(pieces[piece].segment, error)
  }

  /// What is left after operations were given up.
  private func answerTheRest(_ outcomes: inout [WriteOutcome?]) {
    guard let failure = pieces.lazy.compactMap(\.failure).first else { return }
    for i in rest where outcomes[i] == nil { outcomes[i] = .failed(failure) }
    for i in outcomes.indices where outcomes[i] == .failed(.closed) { outcomes[i] = .failed(failure) }
  }
}
