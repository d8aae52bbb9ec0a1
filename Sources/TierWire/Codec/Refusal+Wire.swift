import TierCore

extension Refusal {
  init(_ m: WireRefused) throws(FrameError) {
    try m.requireOnlyKnownFields()
    let needed = try Field.amount(m.neededBytes, "needed bytes")
    let budget = try Field.amount(m.budgetBytes, "budget")
    switch m.reason {
    case .stepExceedsBudget:
      self = .stepExceedsBudget(tier: try Field.tier(m.tier), neededBytes: needed, budgetBytes: budget)
    case .sequenceExceedsBudgets: self = .sequenceExceedsBudgets(neededBytes: needed, budgetBytes: budget)
    case .queueFull: self = .queueFull(limit: try Field.amount(m.limit, "limit"))
    case .draining: self = .draining
    case .unspecified, .UNRECOGNIZED: throw .malformed("a refusal for no known reason")
    }
  }

  func message(_ sequence: SequenceID) -> WireRefused {
    var m = WireRefused()
    m.sequence = sequence.rawValue
    switch self {
    case .stepExceedsBudget(let tier, let needed, let budget):
      m.reason = .stepExceedsBudget
      m.tier = WireTier(tier)
      m.neededBytes = UInt64(clamping: needed)
      m.budgetBytes = UInt64(clamping: budget)
    case .sequenceExceedsBudgets(let needed, let budget):
      m.reason = .sequenceExceedsBudgets
      m.neededBytes = UInt64(clamping: needed)
      m.budgetBytes = UInt64(clamping: budget)
    case .queueFull(let limit):
      m.reason = .queueFull
      m.limit = UInt64(clamping: limit)
    case .draining: m.reason = .draining
    }
    return m
  }
}
