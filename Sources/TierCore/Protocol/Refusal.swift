/// Why a sequence cannot run, with the figures that would let it.
public enum Refusal: Sendable, Hashable {
  /// One step needs more of a tier than its whole budget.
  case stepExceedsBudget(tier: Tier, neededBytes: Int, budgetBytes: Int)
  /// All tiers together are smaller than the sequence's blocks.
  case sequenceExceedsBudgets(neededBytes: Int, budgetBytes: Int)
  /// Too many sequences wait already.
  case queueFull(limit: Int)
  /// The daemon is draining and takes no new sequences.
  case draining

  /// One sentence a user can act on.
  public var message: String {
    switch self {
    case .stepExceedsBudget(let tier, let needed, let budget):
      "the \(tier.name) budget of \(ByteCount.text(budget)) is too small for one step of this sequence: "
        + "the smallest that would do is \(ByteCount.text(needed))"
    case .sequenceExceedsBudgets(let needed, let budget):
      "the sequence's KV of \(ByteCount.text(needed)) does not fit all tiers together (\(ByteCount.text(budget))): "
        + "raise the disk budget"
    case .queueFull(let limit): "\(limit) sequences wait for memory already: try again later"
    case .draining: "the daemon is draining and takes no new sequences: try again when it is back"
    }
  }
}

/// How a request broke the protocol. The session that sent it ends; no other is touched.
public enum Violation: Error, Sendable, Hashable {
  case unknownSequence(SequenceID)
  case duplicateSequence(SequenceID)
  case notAdmitted(SequenceID)
  case badPlan(String)
  case tooManyBlocks(named: Int, limit: Int)
  case rangeOutside(layer: Int, blocks: Range<Int>)
  case notReserved(layer: Int, block: Int)
  case alreadyReserved(layer: Int, block: Int)
  case notLeased(layer: Int, block: Int)
  case alreadyAcquired(layer: Int, block: Int)
  case tooManyOutstanding(limit: Int)
  case heldTooLong(ms: Int)

  public var message: String {
    switch self {
    case .unknownSequence(let s): "sequence \(s.rawValue) is not open"
    case .duplicateSequence(let s): "sequence \(s.rawValue) is open already"
    case .notAdmitted(let s): "sequence \(s.rawValue) is not admitted yet"
    case .badPlan(let why): "the plan is invalid: \(why)"
    case .tooManyBlocks(let named, let limit): "\(named) blocks named, the plan allows \(limit)"
    case .rangeOutside(let layer, let blocks): "blocks \(blocks) of layer \(layer) are outside the plan"
    case .notReserved(let layer, let block): "block \(block) of layer \(layer) was sealed but not reserved"
    case .alreadyReserved(let layer, let block): "block \(block) of layer \(layer) is reserved already"
    case .notLeased(let layer, let block): "block \(block) of layer \(layer) was released but not leased"
    case .alreadyAcquired(let layer, let block): "block \(block) of layer \(layer) is acquired already"
    case .tooManyOutstanding(let limit): "more than \(limit) requests are outstanding"
    case .heldTooLong(let ms): "blocks others wait for were held for more than \(ms) ms"
    }
  }
}
