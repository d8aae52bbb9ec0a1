import Glibc

/// A model on disk: a `.gguf` file or a Hugging Face directory, checked when it is opened. Nothing is read beyond
/// headers: weights are pages of the file until someone touches them, and the tokenizer is read when it is asked for.
public struct Checkpoint: Sendable {
  public let path: String
  public let config: ModelConfig
  public let weights: any WeightSource
  /// The files the weights are in, for a fingerprint cache keyed by what the file system says of them.
  public let weightFiles: [FileIdentity]
  private let source: Source

  /// Where the rest of the description is.
  private enum Source: Sendable {
    case gguf(GGUFMetadata)
    case directory(config: JSON)
  }

  /// Opens a file as GGUF and a directory as Hugging Face's. Every tensor the configuration asks for is there, in
  /// its shape, and none that would change the model's meaning is there besides.
  /// - Throws: `ModelFileError`, one clear line.
  public init(path: String) throws(ModelFileError) {
    var status = stat()
    guard stat(path, &status) == 0 else {
      if errno == ENOENT { throw .missing(path: path) }
      throw .unreadable(path: path, reason: String(cString: strerror(errno)))
    }
    if status.st_mode & S_IFMT == S_IFDIR {
      try self.init(directory: path)
    } else {
      try self.init(gguf: path)
    }
    try checkTensors()
  }

  /// The tokenizer, read and checked by this call: who has token ids needs none, and no file that describes one.
  /// - Throws: `ModelFileError`, one clear line.
  public func tokenizer() throws(ModelFileError) -> TokenizerDescription {
    let tokenizer =
      switch source {
      case .gguf(let metadata): try TokenizerDescription(metadata)
      case .directory(let config): try TokenizerDescription(directory: path, config: config)
      }
    guard tokenizer.tokens.count <= config.vocab else {
      throw .malformed(
        path: path, what: "the tokenizer has \(tokenizer.tokens.count) tokens, the model only \(config.vocab)")
    }
    return tokenizer
  }

  private init(gguf path: String) throws(ModelFileError) {
    let gguf = try GGUFFile(path: path)
    self.path = path
    config = try ModelConfig(gguf)
    weights = GGUFWeights(gguf, config)
    weightFiles = [gguf.file.identity]
    source = .gguf(gguf.metadata)
  }

  private init(directory path: String) throws(ModelFileError) {
    let configPath = path + "/config.json"
    let json = try JSON.file(configPath)
    self.path = path
    config = try ModelConfig(huggingFace: json, path: configPath)
    let safetensors = try SafetensorsWeights(directory: path, config)
    weights = safetensors
    weightFiles = safetensors.files
    source = .directory(config: json)
  }

  private func checkTensors() throws(ModelFileError) {
    var expected: Set<String> = []
    for (name, shape) in config.requiredTensors {
      _ = try weights.tensor(name, shape: shape)
      expected.insert(name)
    }
    for name in weights.names where !expected.contains(name) {
      // A head beside tied embeddings is not used; inverse frequencies are computed.
      if name == TensorName.head || name.hasSuffix(".rotary_emb.inv_freq") { continue }
      throw .unsupportedFeature(path: path, feature: "tensor \(name)")
    }
  }
}
