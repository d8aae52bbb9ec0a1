import TierCore

/// The tokens being computed: where they lie, and the blocks they write.
struct ChunkState {
  /// Position of its first token, and how many there are.
  var start = 0
  var tokens = 0
  /// Blocks it fills.
  var full = 0..<0
  /// Blocks it writes to; the last may stay partial.
  var ownCount = 0
  /// Where it writes in the current layer, the partial block last.
  var ownBlocks: [OwnBlock] = []
  /// Where it writes, by layer, if it was computed before and lost by the store: then nothing is asked for ahead of need.
  var again: [AlignedBuffer]?
  /// Then, by layer: past blocks that the store holds no more and the worker does. nil: the store has what the layer reads.
  var windows: [LocalWindow?] = []

  init() {}

  init(
    start: Int, tokens: Int, blockTokens: Int, again: [AlignedBuffer]? = nil, windows: [LocalWindow?] = []
  ) {
    let first = start / blockTokens
    self.start = start
    self.tokens = tokens
    self.again = again
    self.windows = windows
    full = first..<(start + tokens) / blockTokens
    ownCount = (start + tokens).dividedRoundingUp(by: blockTokens) - first
  }

  var end: Int { start + tokens }
}
