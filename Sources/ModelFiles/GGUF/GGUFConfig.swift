extension ModelConfig {
  /// From the `llama.*` keys and, where there is one, the `rope_freqs.weight` tensor.
  init(_ gguf: GGUFFile) throws(ModelFileError) {
    let path = gguf.file.path
    let metadata = gguf.metadata
    guard let architecture = try metadata.string("general.architecture") else {
      throw .missingKey(path: path, key: "general.architecture")
    }
    guard architecture == "llama" else { throw .unknownArchitecture(path: path, name: architecture) }
    if let experts = try metadata.integer("llama.expert_count"), experts > 0 {
      throw .unsupportedFeature(path: path, feature: "a mixture of \(experts) experts")
    }
    func need(_ key: String) throws(ModelFileError) -> Int {
      guard let value = try metadata.integer(key) else { throw .missingKey(path: path, key: key) }
      return value
    }
    guard let eps = try metadata.number("llama.attention.layer_norm_rms_epsilon") else {
      throw .missingKey(path: path, key: "llama.attention.layer_norm_rms_epsilon")
    }
    let hidden = try need("llama.embedding_length")
    let queryHeads = try need("llama.attention.head_count")
    let headDim = try Self.headDim(metadata, hidden: hidden, queryHeads: queryHeads)
    try self.init(
      checking: Fields(
        architecture: architecture,
        layers: need("llama.block_count"),
        hidden: hidden,
        intermediate: need("llama.feed_forward_length"),
        queryHeads: queryHeads,
        kvHeads: metadata.integer("llama.attention.head_count_kv") ?? queryHeads,
        headDim: headDim,
        vocab: Self.vocab(gguf),
        context: need("llama.context_length"),
        rmsEps: eps,
        ropeTheta: metadata.number("llama.rope.freq_base") ?? 10_000,
        scaling: Self.scaling(gguf, headDim: headDim),
        tiedEmbeddings: !gguf.tensors.contains { $0.name == "output.weight" }),
      path: path)
  }

  /// k, v and the rotated part of a head have one width here; a file may name each.
  private static func headDim(
    _ metadata: GGUFMetadata, hidden: Int, queryHeads: Int
  ) throws(ModelFileError) -> Int {
    guard queryHeads > 0 else {
      throw .badValue(
        path: metadata.path, key: "llama.attention.head_count", found: "\(queryHeads)", expected: "a positive number")
    }
    let headDim = try metadata.integer("llama.attention.key_length") ?? hidden / queryHeads
    for key in ["llama.attention.value_length", "llama.rope.dimension_count"] {
      if let other = try metadata.integer(key), other != headDim {
        throw .unsupportedFeature(path: metadata.path, feature: "\(key) \(other) beside heads of \(headDim)")
      }
    }
    return headDim
  }

  /// The rows of the embedding, which `llama.vocab_size`, where given, must confirm.
  private static func vocab(_ gguf: GGUFFile) throws(ModelFileError) -> Int {
    guard let embedding = gguf.tensors.first(where: { $0.name == "token_embd.weight" }) else {
      throw .missingTensor(path: gguf.file.path, name: "token_embd.weight")
    }
    return try gguf.metadata.integer("llama.vocab_size") ?? embedding.shape[0]
  }

  private static func scaling(_ gguf: GGUFFile, headDim: Int) throws(ModelFileError) -> RotaryEmbedding.Scaling {
    let path = gguf.file.path
    let kind = try gguf.metadata.string("llama.rope.scaling.type") ?? "none"
    let factor = try gguf.metadata.number("llama.rope.scaling.factor")
    let olderFactor = try gguf.metadata.number("llama.rope.scale_linear")
    let divisors = gguf.tensors.first { $0.name == GGUFName.ropeDivisors }
    switch kind {
    case "none" where divisors == nil:
      return .none
    case "none":
      return .divisors(try readDivisors(divisors!, file: gguf.file, headDim: headDim))
    case "linear" where divisors == nil:
      guard let linear = factor ?? olderFactor else { throw .missingKey(path: path, key: "llama.rope.scaling.factor") }
      return linear == 1 ? .none : .linear(factor: Float(linear))
    default:
      throw .unsupportedFeature(path: path, feature: "rope scaling \(kind)\(divisors == nil ? "" : " with rope_freqs")")
    }
  }

  private static func readDivisors(
    _ tensor: GGUFFile.Tensor, file: MappedFile, headDim: Int
  ) throws(ModelFileError) -> [Float] {
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
