public import TierCore

/// Why a sequence's KV cannot be had.
public enum KVError: Error, Sendable, Hashable {
  /// The store refused the sequence.
  case refused(Refusal)
  /// The store has no room for it beside the sequences that are open, and it was not to wait.
  case noRoom
  /// The store says we broke the protocol.
  case violation(Violation)
  /// The store failed or is gone.
  case residency(ResidencyError)
  /// Blocks that must be computed again from their tokens.
  case lost(layer: Int, blocks: [Int])
  /// Nothing came from the store for `seconds` while we waited for `waitedFor`.
  case stalled(waitedFor: String, seconds: Int)
  /// A block's slot was reused while we held it, `attempts` times in a row.
  case neverCurrent(layer: Int, block: Int, attempts: Int)
  /// The store answered something that does not belong here.
  case unexpected(String)
  /// More tokens than the sequence was opened for.
  case full(tokens: Int, limit: Int)
  /// The shape of the cache is beyond what a block can be.
  case badLayout(String)

  /// One sentence a user can act on.
  public var message: String {
    switch self {
    case .refused(let refusal): refusal.message
    case .noRoom: "the store has no room for it beside the sequences that are open"
    case .violation(let violation): "the store ended the session: \(violation.message)"
    case .residency(let error): error.message
    case .lost(let layer, let blocks):
      "\(blocks.count) KV blocks of layer \(layer), first block \(blocks.min() ?? 0), were lost by the store, again and again: "
        + "run again, with a larger disk budget if the disk was full"
    case .stalled(let waitedFor, let seconds):
      "the store did not answer for \(seconds) s while waiting for \(waitedFor): see `tierctl status`"
    case .neverCurrent(let layer, let block, let attempts):
      "KV block \(block) of layer \(layer) was overwritten while leased, \(attempts) times: the store is at fault"
    case .unexpected(let what): "the store sent an answer that belongs to no request: \(what)"
    case .full(let tokens, let limit): "\(tokens) tokens do not fit the \(limit) this sequence was opened for"
    case .badLayout(let why): why
    }
  }
}
