import TierCore

extension MoveTrace {
  /// Bounded by the frame: the decoder allocates no more than its size before this looks at it.
  init(_ m: WireTrace) throws(FrameError) {
    try m.requireOnlyKnownFields()
    _ = try Field.checked(m.records.count, "records of a trace", atMost: Self.maxRecords)
    var records: [TraceRecord] = []
    records.reserveCapacity(m.records.count)
    for record in m.records { records.append(try TraceRecord(record)) }
    self.init(
      records: records, dropped: try Field.amount(m.dropped, "dropped records"),
      left: try Field.amount(m.left, "records left"))
  }

  func message() throws(FrameError) -> WireTrace {
    _ = try Field.checked(records.count, "records of a trace", atMost: Self.maxRecords)
    var message = WireTrace()
    for record in records { message.records.append(try record.message()) }
    message.dropped = UInt64(clamping: dropped)
    message.left = UInt64(clamping: left)
    return message
  }
}

extension TraceRecord {
  fileprivate init(_ m: WireTrace.Record) throws(FrameError) {
    try m.requireOnlyKnownFields()
    if m.link == .statistics {
      self = .statistics(atNs: m.beganNs)
      return
    }
    guard let link = UInt8(exactly: m.link.rawValue).flatMap(MoveLink.init(rawValue:)) else {
      throw .malformed("a move over no known link")
    }
    guard let outcome = UInt8(exactly: m.outcome.rawValue).flatMap(TracedOutcome.init(rawValue:)) else {
      throw .malformed("a move with no known outcome")
    }
    let (endedNs, overflow) = m.beganNs.addingReportingOverflow(m.durationNs)
    guard !overflow else { throw .malformed("a move that ends beyond all time") }
    self = .move(
      TracedMove(
        link: link, mover: try Field.checked(m.mover, "mover", atMost: TracedMove.maxMovers - 1),
        sequence: SequenceID(m.sequence), layer: try Field.layer(m.layer),
        block: try Field.checked(m.block, "block", atMost: SequencePlan.maxBlocks - 1),
        bytes: try Field.checked(m.bytes, "bytes of a block", atMost: BlockLayout.maxSlotBytes), beganNs: m.beganNs,
        endedNs: endedNs, outcome: outcome))
  }

  fileprivate func message() throws(FrameError) -> WireTrace.Record {
    var m = WireTrace.Record()
    switch self {
    case .statistics(let atNs): (m.link, m.beganNs) = (.statistics, atNs)
    case .move(let move):
      m.link = WireTrace.Link(rawValue: Int(move.link.rawValue)) ?? .unspecified
      m.mover = UInt32(try Field.checked(move.mover, "mover", atMost: TracedMove.maxMovers - 1))
      m.sequence = move.sequence.rawValue
      m.layer = UInt32(try Field.checked(move.layer, "layer", atMost: SequencePlan.maxLayers - 1))
      m.block = UInt32(try Field.checked(move.block, "block", atMost: SequencePlan.maxBlocks - 1))
      m.bytes = UInt64(try Field.checked(move.bytes, "bytes of a block", atMost: BlockLayout.maxSlotBytes))
      m.beganNs = move.beganNs
      m.durationNs = move.endedNs >= move.beganNs ? move.endedNs - move.beganNs : 0
      m.outcome = WireTrace.Outcome(rawValue: Int(move.outcome.rawValue)) ?? .unspecified
    }
    return m
  }
}
