import CKernels
public import ModelFiles
public import TierCore

/// A decoder that computes chunks of one sequence at a time, its KV kept by a store.
///
/// The residual stream is f32. Rows go through everything but attention a tile at a time, all on one thread, so that what
/// passes from product to product stays in that core's cache. A row's result does not depend on its tile.
public final class Transformer {
  public let weights: DecoderWeights
  public let compute: Compute
  public let layout: BlockLayout
  /// Tokens of one chunk at most.
  public let maxTokens: Int

  var config: ModelConfig { weights.config }
  /// [token][hidden]
  let residual: AlignedBuffer
  /// [token][head][headDim], compute type
  let queries: AlignedBuffer
  let attention: BlockAttention
  /// By the index that layers name them with.
  let ropes: [RopeTable]
  /// [thread]
  let scratch: [RowScratch]
  /// The pass that has the buffers computes one token that was generated.
  var isDecoding = false

  /// Models of the same weights with buffers for one block, made when first needed.
  private var siblings: [Transformer] = []

  /// Fewer rows than this are shared out by panels of outputs.
  static let leastTileRows = 32

  /// - Parameters:
  ///   - layout: of the KV blocks: element, heads and head size are the model's in `compute.type`.
  ///   - maxTokens: of one chunk.
  public init(weights: DecoderWeights, compute: Compute, layout: BlockLayout, maxTokens: Int) {
    let config = weights.config
    precondition(
      layout.element == compute.type.element && layout.kvHeads == config.kvHeads && layout.headDim == config.headDim,
      "the KV layout is the model's")
    self.weights = weights
    self.compute = compute
    self.layout = layout
    self.maxTokens = maxTokens
    residual = AlignedBuffer(floats: maxTokens * config.hidden)
    queries = AlignedBuffer(byteCount: maxTokens * config.queryWidth * compute.type.sizeBytes)
    attention = BlockAttention(config: config, layout: layout, compute: compute, maxTokens: maxTokens)
    ropes = config.ropes.map { RopeTable($0, headDim: config.headDim, maxPositions: maxTokens) }
    scratch = compute.threads.map { _ in RowScratch(config: config, type: compute.type) }
  }

  /// The layout of the model's KV blocks; nil where a block would be too large.
  public static func layout(of config: ModelConfig, type: ComputeType, blockTokens: Int) -> BlockLayout? {
    BlockLayout(
      element: type.element, kvHeads: config.kvHeads, headDim: config.headDim, blockTokens: blockTokens)
  }

  /// Takes the sequence's next tokens, which are announced, through all layers.
  ///
  /// Afterwards `residual` holds them, before the final norm. Blocks that the store lost meanwhile are computed again.
  /// - Parameters:
  ///   - tokens: at most `maxTokens`; those of a chunk that begins within a block end within it.
  ///   - isDecoding: one token that was generated, not read.
  /// - Throws: `InferenceError.tokenOutOfRange`, `KVError`, `ComputeError`.
  func forward(_ tokens: ArraySlice<UInt32>, kv: TieredKV, isDecoding: Bool) throws {
    let pass = ChunkPass(self, tokens, position: kv.position, isDecoding: isDecoding)
    try kv.observer.measure(.chunk(firstToken: kv.position, tokens: tokens.count)) {
      try kv.begin(tokens: tokens.count, isDecoding: isDecoding)
      do {
        try pass.run(kv)
      } catch KVError.lost(_, let blocks) {
        if kv.isHybrid {
          try Rereading(of: blocks, interrupting: pass, kv: kv).run()
        } else {
          try Recomputation(of: blocks, interrupting: pass, kv: kv).run()
        }
      }
      try kv.end()
    }
  }

  /// The model again with buffers of its own, for a block's tokens: one for each depth from 1.
  func sibling(depth: Int) -> Transformer {
    while siblings.count < depth {
      siblings.append(
        Transformer(weights: weights, compute: compute, layout: layout, maxTokens: layout.blockTokens))
    }
    return siblings[depth - 1]
  }

  func embed(_ tokens: ArraySlice<UInt32>) throws {
    for token in tokens where Int(token) >= config.vocab {
      throw InferenceError.tokenOutOfRange(token: token, vocab: config.vocab)
    }
    let first = tokens.startIndex
    try compute.pool.run(tokens.count) { index, _ in
      let row = residual.floats + index * config.hidden
      weights.embedding.read(Int(tokens[first + index]), into: row)
      if config.embeddingScale != 1 { ck_scale(row, config.embeddingScale, config.hidden) }
    }
    try weights.checkUnchanged()
  }
}
