/// A block of a batch, and where its record is.
struct ReadItem {
  let index: Int
  let entry: Entry
  let segment: Segment
}

/// One batch on its way from disk: some operations are in flight while the records of others are decoded.
struct ReadRun {
  /// Records that are read by one operation.
  private struct Stretch {
    var items: [ReadItem]
    var bytes: Int
    var offset: Int { items[0].entry.offset }
    var segment: Segment { items[0].segment }
  }
  private struct Flight {
    let stretch: Stretch
    let part: Int
    let deadlineNs: UInt64
  }

  private let spill: Spill
  private let batch: [BlockRead]
  private var waiting: ArraySlice<Stretch>
  private var inFlight: [Flight] = []
  private let partBytes: Int
  private let parts: Int
  private let scratchBytes: Int
  private var isOver = false

  /// What one operation moves at most, unless a record is larger. Smaller ones end sooner, and are decoded sooner: the
  /// first ones are, so that there is something to decode.
  private static let stretchBytes = 1 << 20
  private static let firstStretchBytes = 128 << 10
  private static let parts = 6

  init(_ spill: Spill, batch: [BlockRead], found: [ReadItem]) {
    self.spill = spill
    self.batch = batch
    let stretches = Self.stretches(found)
    waiting = stretches[...]
    partBytes = stretches.reduce(0) { max($0, $1.bytes) }.roundedUp(to: RecordHeader.mostAlignBytes)
    parts = min(Self.parts, stretches.count)
    scratchBytes = found.reduce(0) { max($0, BlockCodec.scratchBytes($1.entry.layout)) }
  }

  var bufferBytes: Int { parts * partBytes + scratchBytes }

  /// Neighbours together, as far as one operation goes.
  private static func stretches(_ items: [ReadItem]) -> [Stretch] {
    let sorted = items.sorted {
      ($0.entry.segment, $0.entry.offset, $0.index) < ($1.entry.segment, $1.entry.offset, $1.index)
    }
    var stretches: [Stretch] = []
    for item in sorted {
      let limit = min(firstStretchBytes << min(stretches.count, 8) / 2, stretchBytes)
      if let last = stretches.last, last.segment === item.segment, last.offset + last.bytes == item.entry.offset,
        last.bytes + item.entry.recordBytes <= limit
      {
        stretches[stretches.count - 1].items.append(item)
        stretches[stretches.count - 1].bytes += item.entry.recordBytes
      } else {
        stretches.append(Stretch(items: [item], bytes: item.entry.recordBytes))
      }
    }
    return stretches
  }

  mutating func play(on lane: any IOLane, _ outcomes: inout [ReadOutcome?]) {
    while !isOver, !waiting.isEmpty || !inFlight.isEmpty {
      while inFlight.count < parts, let next = waiting.popFirst() { submit(next, on: lane) }
      collect(lane, &outcomes)
    }
  }

  private mutating func submit(_ stretch: Stretch, on lane: any IOLane) {
    let part = (0..<parts).first { part in !inFlight.contains { $0.part == part } } ?? 0
    let start = part * partBytes
    lane.submit(.read, stretch.segment.file, at: stretch.offset, start..<start + stretch.bytes, tag: part)
    inFlight.append(
      Flight(
        stretch: stretch, part: part,
        deadlineNs: MonotonicClock.nowNs() + UInt64(spill.options.deadlineMs) * 1_000_000))
  }

  /// Waits for one operation to end, and decodes what it brought.
  private mutating func collect(_ lane: any IOLane, _ outcomes: inout [ReadOutcome?]) {
    guard let ended = lane.next(untilNs: inFlight[0].deadlineNs) else {
      isOver = true
      let error = SpillError.timedOut(
        operation: "reading", file: inFlight[0].stretch.segment.file.name, afterMs: spill.options.deadlineMs)
      for stretch in inFlight.map(\.stretch) + waiting { answer(stretch, .failed(error), &outcomes) }
      return
    }
    guard let at = inFlight.firstIndex(where: { $0.part == ended.tag }) else { return }
    let flight = inFlight.remove(at: at)
    let stretch = flight.stretch
    if ended.result < 0 {
      guard stretch.items.count == 1 else {
        // One bad sector is the fault of one record: which one shows when each is read alone.
        waiting = (stretch.items.map { Stretch(items: [$0], bytes: $0.entry.recordBytes) } + waiting)[...]
        return
      }
      let error = SpillError.from(
        operation: "reading", file: stretch.segment.file.name, errno: Int32(clamping: -ended.result))
      return answer(stretch, .failed(error), &outcomes)
    }
    decode(stretch, from: flight.part * partBytes, got: ended.result, lane, &outcomes)
  }

  private func decode(
    _ stretch: Stretch, from start: Int, got: Int, _ lane: any IOLane, _ outcomes: inout [ReadOutcome?]
  ) {
    let scratch = lane.bytes(parts * partBytes..<parts * partBytes + scratchBytes)
    for item in stretch.items {
      let from = item.entry.offset - stretch.offset
      guard from + item.entry.recordBytes <= got else {
        outcomes[item.index] = .corrupt("the segment file ends inside the record")
        continue
      }
      let record = UnsafeRawBufferPointer(lane.bytes(start + from..<start + from + item.entry.recordBytes))
      outcomes[item.index] = spill.verify(
        record, batch[item.index].key, item.entry, item.segment, into: batch[item.index].destination, scratch: scratch)
    }
  }

  private func answer(_ stretch: Stretch, _ outcome: ReadOutcome, _ outcomes: inout [ReadOutcome?]) {
    for item in stretch.items { outcomes[item.index] = outcome }
  }
}
