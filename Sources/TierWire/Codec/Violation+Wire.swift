import TierCore

extension Violation {
  init(_ m: WireViolated) throws(FrameError) {
    try m.requireOnlyKnownFields()
    let text = try Field.text(m.text, "text of a violation")
    let layer = try Field.amount(m.layer, "layer")
    let first = try Field.amount(m.first, "first block")
    let count = try Field.amount(m.count, "count")
    let limit = try Field.amount(m.limit, "limit")
    switch m.kind {
    case .unknownSequence: self = .unknownSequence(SequenceID(m.sequence))
    case .duplicateSequence: self = .duplicateSequence(SequenceID(m.sequence))
    case .notAdmitted: self = .notAdmitted(SequenceID(m.sequence))
    case .badPlan: self = .badPlan(text)
    case .tooManyBlocks: self = .tooManyBlocks(named: count, limit: limit)
    case .rangeOutside:
      let (end, overflow) = first.addingReportingOverflow(count)
      guard !overflow else { throw .malformed("a range beyond all numbers") }
      self = .rangeOutside(layer: layer, blocks: first..<end)
    case .notReserved: self = .notReserved(layer: layer, block: first)
    case .alreadyReserved: self = .alreadyReserved(layer: layer, block: first)
    case .notLeased: self = .notLeased(layer: layer, block: first)
    case .alreadyAcquired: self = .alreadyAcquired(layer: layer, block: first)
    case .tooManyOutstanding: self = .tooManyOutstanding(limit: limit)
    case .heldTooLong: self = .heldTooLong(ms: limit)
    case .unspecified, .UNRECOGNIZED: throw .malformed("a violation of no known kind")
    }
  }

  var wire: WireViolated {
    var m = WireViolated()
    m.text = message.clipped(toBytes: Field.textBytesMax)
    switch self {
    case .unknownSequence(let sequence): (m.kind, m.sequence) = (.unknownSequence, sequence.rawValue)
    case .duplicateSequence(let sequence): (m.kind, m.sequence) = (.duplicateSequence, sequence.rawValue)
    case .notAdmitted(let sequence): (m.kind, m.sequence) = (.notAdmitted, sequence.rawValue)
    case .badPlan(let why): (m.kind, m.text) = (.badPlan, why.clipped(toBytes: Field.textBytesMax))
    case .tooManyBlocks(let named, let limit):
      (m.kind, m.count, m.limit) = (.tooManyBlocks, UInt64(clamping: named), UInt64(clamping: limit))
    case .rangeOutside(let layer, let blocks):
      m.kind = .rangeOutside
      (m.layer, m.first) = (UInt64(clamping: layer), UInt64(clamping: blocks.lowerBound))
      m.count = UInt64(clamping: blocks.count)
    case .notReserved(let layer, let block): m.set(.notReserved, layer, block)
    case .alreadyReserved(let layer, let block): m.set(.alreadyReserved, layer, block)
    case .notLeased(let layer, let block): m.set(.notLeased, layer, block)
    case .alreadyAcquired(let layer, let block): m.set(.alreadyAcquired, layer, block)
    case .tooManyOutstanding(let limit): (m.kind, m.limit) = (.tooManyOutstanding, UInt64(clamping: limit))
    case .heldTooLong(let ms): (m.kind, m.limit) = (.heldTooLong, UInt64(clamping: ms))
    }
    return m
  }
}

extension WireViolated {
  fileprivate mutating func set(_ kind: Kind, _ layer: Int, _ block: Int) {
    self.kind = kind
    self.layer = UInt64(clamping: layer)
    first = UInt64(clamping: block)
  }
}
