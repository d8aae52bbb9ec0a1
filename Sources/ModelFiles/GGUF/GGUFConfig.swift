extension ModelConfig {
  /// From the keys of the architecture and, where there is one, the `rope_freqs.weight` tensor. What the files of a family
  /// do not say is what llama.cpp takes for granted of it.
  init(_ gguf: GGUFFile) throws(ModelFileError) {
    let path = gguf.file.path
    guard let architecture = try gguf.metadata.string("general.architecture") else {
      throw .missingKey(path: path, key: "general.architecture")
    }
    guard let family = GGUFFamily(rawValue: architecture) else {
      throw .unknownArchitecture(path: path, name: architecture)
    }
    try self.init(checking: try GGUFConfiguration(gguf, family).fields(), path: path)
  }
}

/// A `general.architecture`.
enum GGUFFamily: String, CaseIterable {
  /// Llama 2 and 3; also Mistral, whose window llama.cpp's converter leaves out.
  case llama
  case qwen2
  case qwen3
  case gemma2
  case gemma3
  case llama4

  /// Neighbouring rows of q and k turn together in the file; in the others' the halves of a head do.
  var rotatesNeighbours: Bool { self == .llama || self == .llama4 }
}

/// Reads a configuration from the keys of one architecture.
struct GGUFConfiguration {
  let gguf: GGUFFile
  let family: GGUFFamily
  private var metadata: GGUFMetadata { gguf.metadata }
  private var path: String { gguf.file.path }

  init(_ gguf: GGUFFile, _ family: GGUFFamily) {
    self.gguf = gguf
    self.family = family
  }

  func fields() throws(ModelFileError) -> ModelConfig.Fields {
    var fields = try common()
    switch family {
    case .llama: break
    case .qwen2: fields.hasBias = true
    case .qwen3: fields.headNorm = .weighted
    case .gemma2, .gemma3: try gemma(&fields)
    case .llama4: try llama4(&fields)
    }
    if family != .llama4, let experts = try integer("expert_count"), experts > 0 {
      throw .unsupportedFeature(path: path, feature: "a mixture of \(experts) experts")
    }
    return fields
  }

  private func common() throws(ModelFileError) -> ModelConfig.Fields {
    guard let eps = try number("attention.layer_norm_rms_epsilon") else {
      throw .missingKey(path: path, key: key("attention.layer_norm_rms_epsilon"))
    }
    let hidden = try need("embedding_length")
    let queryHeads = try need("attention.head_count")
    let headDim = try headDim(hidden: hidden, queryHeads: queryHeads)
    return ModelConfig.Fields(
      architecture: family.rawValue,
      layers: try need("block_count"),
      hidden: hidden,
      intermediate: try need("feed_forward_length"),
      queryHeads: queryHeads,
      kvHeads: try integer("attention.head_count_kv") ?? queryHeads,
      headDim: headDim,
      vocab: try vocab(),
      context: try need("context_length"),
      rmsEps: eps,
      ropes: [
        RotaryEmbedding(theta: Float(try number("rope.freq_base") ?? 10_000), scaling: try scaling(headDim: headDim))
      ],
      tiedEmbeddings: !gguf.tensors.contains { $0.name == "output.weight" })
  }

  /// k, v and the rotated part of a head have one width here; a file may name each.
  private func headDim(hidden: Int, queryHeads: Int) throws(ModelFileError) -> Int {
    guard queryHeads > 0 else {
      throw .badValue(
        path: path, key: key("attention.head_count"), found: "\(queryHeads)", expected: "a positive number")
    }
    let headDim = try integer("attention.key_length") ?? hidden / queryHeads
    for name in ["attention.value_length", "rope.dimension_count"] {
      if let other = try integer(name), other != headDim {
        throw .unsupportedFeature(path: path, feature: "\(key(name)) \(other) beside heads of \(headDim)")
      }
    }
    return headDim
  }

  /// The rows of the embedding, which `vocab_size`, where given, must confirm.
  private func vocab() throws(ModelFileError) -> Int {
    guard let embedding = gguf.tensors.first(where: { $0.name == "token_embd.weight" }) else {
      throw .missingTensor(path: path, name: "token_embd.weight")
    }
    return try integer("vocab_size") ?? embedding.shape[0]
  }

  func key(_ name: String) -> String { "\(family.rawValue).\(name)" }
  func integer(_ name: String) throws(ModelFileError) -> Int? { try metadata.integer(key(name)) }
  func number(_ name: String) throws(ModelFileError) -> Double? { try metadata.number(key(name)) }

  func need(_ name: String) throws(ModelFileError) -> Int {
    guard let value = try integer(name) else { throw .missingKey(path: path, key: key(name)) }
    return value
  }
}
