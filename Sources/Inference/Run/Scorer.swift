/// How likely a model finds a text: what `tier-worker eval` prints.
public struct Score: Sendable, Hashable {
  /// -log p of token i + 1 after tokens 0...i: one fewer than tokens.
  public let nll: [Float]
  /// The five likeliest tokens after the last, with their logits.
  public let top5: [TokenLogit]
  public let prefill: Prefill.Outcome
  public let scoreSeconds: Double

  /// 0 for a single token.
  public var meanNLL: Double { nll.isEmpty ? 0 : nll.reduce(0.0) { $0 + Double($1) } / Double(nll.count) }
}

public struct TokenLogit: Sendable, Hashable {
  public let token: UInt32
  public let logit: Float
}

/// Scores every position of a text while it is read.
public struct Scorer {
  public let prefill: Prefill

  /// - Parameter chunkTokens: a multiple of the block's.
  public init(chunkTokens: Int) {
    prefill = Prefill(chunkTokens: chunkTokens)
  }

  /// - Throws: as `Prefill.run`.
  public func run(
    _ tokens: [UInt32], model: Transformer, kv: TieredKV, progress: (Prefill.Progress) throws -> Void = { _ in }
  ) throws -> Score {
    let head = Head(model)
    let clock = ContinuousClock()
    var nll: [Float] = []
    var spent = Duration.zero
    var top5: [TokenLogit] = []
    let outcome = try prefill.run(
      tokens, model: model, kv: kv,
      consume: { chunk in
        spent += try clock.measure {
          let next = chunk.lowerBound + 1..<min(chunk.upperBound + 1, tokens.count)
          nll += try head.negativeLogLikelihoods(of: tokens[next], firstRow: 0)
          if chunk.upperBound == tokens.count { top5 = Self.top(5, of: try head.logits(row: chunk.count - 1)) }
        }
      }, progress: progress)
    return Score(nll: nll, top5: top5, prefill: outcome, scoreSeconds: spent.seconds)
  }

  /// The largest logits, largest first.
  static func top(_ count: Int, of logits: UnsafeBufferPointer<Float>) -> [TokenLogit] {
    var best: [TokenLogit] = []
    for (token, logit) in logits.enumerated() where best.count < count || logit > best[best.count - 1].logit {
      let place = best.firstIndex { logit > $0.logit } ?? best.count
      best.insert(TokenLogit(token: UInt32(token), logit: logit), at: place)
      if best.count > count { best.removeLast() }
    }
    return best
  }
}
