extension GGUFConfiguration {
  func scaling(headDim: Int) throws(ModelFileError) -> RotaryEmbedding.Scaling {
    let path = gguf.file.path
    let kind = try gguf.metadata.string(key("rope.scaling.type")) ?? "none"
    let factor = try number("rope.scaling.factor")
    let divisors = gguf.tensors.first { $0.name == GGUFName.ropeDivisors }
    switch kind {
    case "none":
      guard let divisors else { return .none }
      return .divisors(try readDivisors(divisors, headDim: headDim))
    case "linear" where divisors == nil:
      let older = try number("rope.scale_linear")
      guard let linear = factor ?? older else {
        throw .missingKey(path: path, key: key("rope.scaling.factor"))
      }
      return linear == 1 ? .none : .linear(factor: Float(linear))
    case "yarn" where divisors == nil:
      return .yarn(try yarn(factor: factor))
    default:
      throw .unsupportedFeature(path: path, feature: "rope scaling \(kind)\(divisors == nil ? "" : " with rope_freqs")")
    }
  }

  private func yarn(factor: Double?) throws(ModelFileError) -> RotaryEmbedding.Yarn {
    guard let factor else { throw .missingKey(path: gguf.file.path, key: key("rope.scaling.factor")) }
    let attentionFactor = try number("rope.scaling.attn_factor") ?? 1
    return RotaryEmbedding.Yarn(
      factor: Float(factor),
      betaFast: Float(try number("rope.scaling.yarn_beta_fast") ?? 32),
      betaSlow: Float(try number("rope.scaling.yarn_beta_slow") ?? 1),
      originalContext: try need("rope.scaling.original_context_length"),
      attentionFactor: Float(attentionFactor * RotaryEmbedding.Yarn.attentionFactor(of: factor)),
      truncates: true)
  }

  private func readDivisors(_ tensor: GGUFFile.Tensor, headDim: Int) throws(ModelFileError) -> [Float] {
    let file = gguf.file
    guard tensor.type == .f32 else {
      throw .unsupportedTensorType(path: file.path, tensor: tensor.name, type: tensor.type.rawValue)
    }
    guard tensor.shape == [headDim / 2] else {
      throw .wrongShape(path: file.path, name: tensor.name, expected: [headDim / 2], found: tensor.shape)
    }
    defer { withExtendedLifetime(file) {} }
    var reader = ByteReader(file.buffer, path: file.path, offset: tensor.range.lowerBound)
    var divisors: [Float] = []
    for _ in 0..<tensor.shape[0] {
      divisors.append(Float(bitPattern: try reader.integer(UInt32.self, tensor.name)))
    }
    return divisors
  }
}
