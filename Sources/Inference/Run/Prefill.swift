/// Reads a prompt into a sequence, chunk by chunk.
public struct Prefill {
  /// Where a prefill is.
  public struct Progress: Sendable, Hashable {
    public let chunks: Int
    public let chunksTotal: Int
    public let tokens: Int
    public let tokensTotal: Int
    /// Computing only.
    public let seconds: Double

    public var tokensPerSecond: Double { seconds > 0 ? Double(tokens) / seconds : 0 }
  }

  /// What a prefill took, from the first token's embedding to the last layer of the last token.
  public struct Outcome: Sendable, Hashable {
    /// Tokens of the prompt, and how many of them were computed: the others' KV was cached.
    public let tokens: Int
    public let computedTokens: Int
    public let seconds: Double

    public var tokensPerSecond: Double { seconds > 0 ? Double(computedTokens) / seconds : 0 }
  }

  /// Tokens of one chunk: a multiple of the block's.
  public let chunkTokens: Int
  /// Whether to start after the leading blocks the store has already.
  public let reusesCachedBlocks: Bool

  public init(chunkTokens: Int, reusesCachedBlocks: Bool = false) {
    self.chunkTokens = chunkTokens
    self.reusesCachedBlocks = reusesCachedBlocks
  }

  /// Announces `prompt` to a fresh sequence and computes it.
  /// - Parameters:
  ///   - consume: called after each chunk with the range of the prompt that `model` now holds the rows of, for scoring.
  ///     Its time is not counted.
  ///   - progress: called after each chunk.
  /// - Throws: `InferenceError`, `KVError`, `ComputeError`, and what `consume` and `progress` throw (to stop, say).
  public func run(
    _ prompt: [UInt32], model: Transformer, kv: TieredKV, consume: (Range<Int>) throws -> Void = { _ in },
    progress: (Progress) throws -> Void = { _ in }
  ) throws -> Outcome {
    guard !prompt.isEmpty else { throw InferenceError.emptyPrompt }
    precondition(kv.position == 0, "a prompt begins its sequence")
    try kv.announce(prompt)
    let skipped = reusesCachedBlocks ? kv.skipCached() : 0
    let total = (prompt.count - skipped).dividedRoundingUp(by: chunkTokens)
    var spent = Duration.zero
    let clock = ContinuousClock()
    for chunk in 0..<total {
      let start = skipped + chunk * chunkTokens
      let end = min(start + chunkTokens, prompt.count)
      spent += try clock.measure { try model.forward(prompt[start..<end], kv: kv, isDecoding: false) }
      try consume(start..<end)
      try progress(
        Progress(
          chunks: chunk + 1, chunksTotal: total, tokens: end - skipped, tokensTotal: prompt.count - skipped,
          seconds: spent.seconds))
    }
    return Outcome(tokens: prompt.count, computedTokens: prompt.count - skipped, seconds: spent.seconds)
  }
}

extension Duration {
  var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}
