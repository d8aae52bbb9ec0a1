import ModelFiles
import TierCore

/// Some tokens on their way through the layers of a model.
///
/// It stops with `KVError.lost` where a past block is lost, and goes on from there when `run` is called again: what is
/// merged stays merged.
final class ChunkPass {
  let model: Transformer
  private let tokens: ArraySlice<UInt32>
  private let position: Int
  private let isDecoding: Bool
  private var layer = 0
  private var isAttending = false
  /// The layer's weights, while this pass has them.
  private var matrices: LayerMatrices?

  /// - Parameters:
  ///   - model: whose buffers this pass has to itself until it is done.
  ///   - position: of the first token.
  init(_ model: Transformer, _ tokens: ArraySlice<UInt32>, position: Int, isDecoding: Bool) {
    precondition(tokens.count > 0 && tokens.count <= model.maxTokens, "a chunk of \(tokens.count) tokens")
    precondition(!isDecoding || tokens.count == 1, "one token is decoded at a time")
    self.model = model
    self.tokens = tokens
    self.position = position
    self.isDecoding = isDecoding
  }

  /// - Parameter kv: at the layer this pass is at.
  func run(_ kv: TieredKV) throws {
    if layer == 0, !isAttending {
      try model.embed(tokens)
      for rope in model.ropes { rope.fill(position..<position + tokens.count) }
      model.attention.beginChunk(tokens: tokens.count, position: position, isDecoding: isDecoding)
    }
    let keeper = model.weights.keeper
    // Others compute while this one waits, with the same layer's weights.
    defer { if matrices != nil { letGo() } }
    while layer < model.config.layers {
      try kv.observer.measure(.layer(layer)) { try runLayer(kv, keeper) }
      layer += 1
      kv.observer?.layerEnded()
    }
  }

  private func runLayer(_ kv: TieredKV, _ keeper: any WeightKeeper) throws {
    let matrices = try keeper.beginLayer(layer)
    self.matrices = matrices
    model.isDecoding = isDecoding
    if !isAttending {
      try kv.prepare(layer: layer)
      try kv.observer.measure(.project) {
        try model.project(matrices.queryKeyValue, layer: layer, tokens: tokens.count, position: position, kv: kv)
      }
      try kv.written()
      model.attention.beginLayer(model.config.decoderLayers[layer].span)
      // Own blocks first where the order is free: past ones arrive meanwhile. In order, they come last.
      if !kv.options.ordered { try attendOwn(kv) }
      isAttending = true
    }
    try attendPast(kv)
    if kv.options.ordered { try attendOwn(kv) }
    try kv.observer.measure(.transform) {
      try model.transform(matrices, layer: layer, tokens: tokens.count)
    }
    self.matrices = nil
    try keeper.endLayer(layer)
    isAttending = false
  }

  private func letGo() {
    matrices = nil
    // The error that brought us here says more than one of this would.
    try? model.weights.keeper.endLayer(layer)
  }

  private func attendOwn(_ kv: TieredKV) throws {
    try kv.observer.measure(.attendOwn(blocks: kv.chunk.ownBlocks.count)) {
      try model.attention.attendOwn(kv.chunk.ownBlocks, queries: model.queries.base)
    }
  }

  private func attendPast(_ kv: TieredKV) throws {
    while true {
      let batch = try kv.nextBatch()
      if batch.isEmpty { return }
      let session = kv.session
      let stale = try kv.observer.measure(.attendPast(blocks: batch.count)) {
        try model.attention.attendPast(batch, queries: model.queries.base, ordered: kv.options.ordered) {
          $0.lease.map { session.isCurrent($0.slot, generation: $0.generation) } ?? true
        }
      }
      try kv.finish(batch, stale: stale)
    }
  }
}
