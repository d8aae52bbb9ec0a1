import TierCore

/// A piece of the attention of one chunk that one thread does alone: some tokens of some query heads of one KV head.
struct AttentionPart {
  let kvHead: Int
  /// Query heads, all of that KV head's group.
  let heads: Range<Int>
  /// Tokens of the chunk.
  let tokens: Range<Int>
}

/// The running softmax of every (head, token) of a chunk: row maxima `m`, sums `l` and unnormalised outputs `o`, all f32.
struct AttentionState {
  /// [head][token], [head][token], [head][token][headDim]
  let m: AlignedBuffer
  let l: AlignedBuffer
  let o: AlignedBuffer

  init(heads: Int, headDim: Int, maxTokens: Int) {
    m = AlignedBuffer(floats: heads * maxTokens)
    l = AlignedBuffer(floats: heads * maxTokens)
    o = AlignedBuffer(floats: heads * maxTokens * headDim)
  }

  /// Rows that have seen nothing.
  func reset(_ part: AttentionPart, tokens: Int, headDim: Int) {
    for head in part.heads {
      let row = head * tokens + part.tokens.lowerBound
      (m.floats + row).update(repeating: -.infinity, count: part.tokens.count)
      (l.floats + row).update(repeating: 0, count: part.tokens.count)
      (o.floats + row * headDim).update(repeating: 0, count: part.tokens.count * headDim)
    }
  }
}
