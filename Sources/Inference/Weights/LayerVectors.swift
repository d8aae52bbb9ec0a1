import ModelFiles

/// What a layer has besides matrices, in f32. Norms are what a normed row is multiplied by, offsets included.
struct LayerVectors: Sendable {
  /// [hidden]: of the inputs of attention and feed-forward.
  let input: AlignedBuffer
  let feedForward: AlignedBuffer
  /// [hidden]: of their outputs, where those are normed.
  let attentionOutput: AlignedBuffer?
  let feedForwardOutput: AlignedBuffer?
  /// [headDim]: of the heads of q and k, where those are normed.
  let query: AlignedBuffer?
  let key: AlignedBuffer?
  /// [queryWidth + 2 * kvWidth]: of q, k and v, where those have one.
  let bias: AlignedBuffer?

  /// - Throws: `ModelFileError` where a tensor is missing or has another shape.
  init(layer: Int, config: ModelConfig, source: any WeightSource) throws {
    func vector(_ tensor: TensorName.Layer) throws -> AlignedBuffer? {
      guard let shape = config.shape(of: tensor, layer: layer) else { return nil }
      return WeightRows(tensor: try source.tensor(TensorName.layer(layer, tensor), shape: shape)).vector()
    }
    func norm(_ tensor: TensorName.Layer) throws -> AlignedBuffer? {
      let weight = try vector(tensor)
      weight?.add(config.normOffset)
      return weight
    }
    input = try norm(.inputNorm)!
    feedForward = try norm(config.feedForwardNorm)!
    let normsOutputs = config.norms == .inputsAndOutputs
    attentionOutput = normsOutputs ? try norm(.postAttentionNorm) : nil
    feedForwardOutput = try norm(.postFeedForwardNorm)
    switch config.attention.headNorm {
    case .none: (query, key) = (nil, nil)
    case .weighted: (query, key) = (try norm(.queryNorm), try norm(.keyNorm))
    case .plainAfterRope:
      let ones = AlignedBuffer(floats: config.headDim)
      ones.add(1)
      (query, key) = (ones, ones)
    }
    let parts = try [.queryBias, .keyBias, .valueBias].compactMap(vector)
    bias = parts.isEmpty ? nil : Self.joined(parts, counts: [config.queryWidth, config.kvWidth, config.kvWidth])
  }

  private static func joined(_ parts: [AlignedBuffer], counts: [Int]) -> AlignedBuffer {
    let all = AlignedBuffer(floats: counts.reduce(0, +))
    var start = 0
    for (part, count) in zip(parts, counts) {
      (all.floats + start).update(from: part.floats, count: count)
      start += count
    }
    return all
  }
}

extension AlignedBuffer {
  /// Adds a number to each f32 there is.
  func add(_ number: Float) {
    guard number != 0 else { return }
    for i in 0..<bytes.count / MemoryLayout<Float>.stride { floats[i] += number }
  }
}
