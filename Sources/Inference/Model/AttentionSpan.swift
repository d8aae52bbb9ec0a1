public import ModelFiles
public import TierCore

extension AttentionSpan {
  /// What a plan tells the store.
  var reach: LayerReach {
    switch self {
    case .full: .full
    case .sliding(let tokens): .sliding(tokens: tokens)
    case .chunked(let tokens): .chunked(tokens: tokens)
    }
  }

  /// The first position that the token at `position` reads.
  func firstPosition(readBy position: Int) -> Int {
    switch self {
    case .full: 0
    case .sliding(let tokens): max(0, position - tokens + 1)
    case .chunked(let tokens): position / tokens * tokens
    }
  }

  /// Where the positions end that read anything before position `end`, which is positive.
  func readers(before end: Int) -> Int {
    switch self {
    case .full: Int.max / 2
    case .sliding(let tokens): end + tokens - 1
    case .chunked(let tokens): end.dividedRoundingUp(by: tokens) * tokens
    }
  }
}

extension ModelConfig {
  /// How far back each layer reads, as a plan says it: nothing where all of them read everything.
  public var reach: [LayerReach] { isHybrid ? decoderLayers.map(\.span.reach) : [] }
}
