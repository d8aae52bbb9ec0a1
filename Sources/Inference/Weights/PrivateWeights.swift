import ModelFiles

/// Weights in the worker's own memory, packed once.
final class PrivateWeights: WeightKeeper {
  private let layers: [LayerMatrices]
  private let head: [PackedMatrix]

  /// - Parameter readsFile: a decoded token's products read quantised weights where they lie in the file.
  init(
    _ shards: DecoderShards, compute: Compute, readsFile: Bool, progress: (_ done: Int, _ of: Int) -> Void
  ) throws {
    var layers: [LayerMatrices] = []
    for layer in 0..<shards.config.layers {
      let memory = ShardMemory(shards.layout(of: layer))
      try shards.fillLayer(layer, memory.bases, compute: compute)
      layers.append(
        shards.matrices(of: layer, memory.bases.map { UnsafeRawPointer($0) }, owner: memory, readsFile: readsFile))
      progress(layer + 1, shards.config.layers)
    }
    self.layers = layers
    head = try shards.head.indices.map { piece in
      let layout = shards.head[piece].layout
      let memory = ShardMemory(layout)
      try shards.fillHead(piece, memory.bases[0], compute: compute)
      return shards.headMatrix(
        piece, memory.bases.map { UnsafeRawPointer($0) }, owner: memory, readsFile: readsFile)
    }
  }

  func beginLayer(_ layer: Int) -> LayerMatrices { layers[layer] }
  func endLayer(_ layer: Int) {}
  func beginHead(_ piece: Int) -> PackedMatrix { head[piece] }
  func endHead(_ piece: Int) {}
  /// Nothing is waited for.
  func observe(_ observer: any RunObserver) {}
}
