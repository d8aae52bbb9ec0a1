/// Generates tokens one at a time, after a prefill.
public struct Decoder {
  private let model: Transformer
  private let kv: TieredKV

  public init(model: Transformer, kv: TieredKV) {
    self.model = model
    self.kv = kv
  }

  /// Generates until `isEnd`, `count` tokens, or the sequence is full.
  /// - Parameters:
  ///   - row: of the chunk that the model computed last: the position to go on from, usually its last.
  ///   - choose: the next token from its logits, [vocab].
  ///   - isEnd: whether a token ends the text; it is not emitted.
  ///   - emit: called with each token as it is chosen.
  /// - Returns: the tokens emitted.
  /// - Throws: `KVError`, `ComputeError`, and what the closures throw.
  public func run(
    count: Int, afterRow row: Int, choose: (UnsafeBufferPointer<Float>) throws -> UInt32,
    isEnd: (UInt32) -> Bool = { _ in false }, emit: (UInt32) throws -> Void = { _ in }
  ) throws -> [UInt32] {
    var tokens: [UInt32] = []
    var row = row
    let head = Head(model)
    while tokens.count < count {
      let token = try choose(try kv.observer.measure(.head) { try head.logits(row: row) })
      if isEnd(token) { break }
      tokens.append(token)
      try emit(token)
      if tokens.count == count { break }
      try kv.announce([token])
      try model.forward([token], kv: kv, isDecoding: true)
      row = 0
    }
    return tokens
  }

  /// The token with the largest logit; of equals the first.
  public static func greedy(_ logits: UnsafeBufferPointer<Float>) -> UInt32 {
    var best = 0
    for i in logits.indices where logits[i] > logits[best] { best = i }
    return UInt32(best)
  }
}
