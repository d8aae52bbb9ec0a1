/// How far back the attention of a layer reads.
public enum LayerReach: Sendable, Hashable {
  /// Everything before the token.
  case full
  /// The token and the `tokens - 1` before it.
  case sliding(tokens: Int)
  /// The token and those before it in its own run of `tokens`: attention chunks, which are not prefill chunks.
  case chunked(tokens: Int)

  /// The first block that tokens read which follow the first `blocks` blocks: those before it are passed.
  public func firstBlock(before blocks: Int, blockTokens: Int) -> Int {
    let next = blocks * blockTokens
    switch self {
    case .full: return 0
    case .sliding(let tokens): return max(0, next - tokens + 1) / blockTokens
    case .chunked(let tokens): return next / tokens * tokens / blockTokens
    }
  }

  /// Blocks of one layer that are in use at once at most, of `total`, where prefill chunks have `chunkBlocks`.
  func blocksAtOnce(of total: Int, chunkBlocks: Int, blockTokens: Int) -> Int {
    switch self {
    case .full: return total
    case .sliding(let tokens), .chunked(let tokens):
      return min(total, (tokens + blockTokens - 1) / blockTokens + 1 + chunkBlocks)
    }
  }
}
