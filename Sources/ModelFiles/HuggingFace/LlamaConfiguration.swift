extension ModelConfig {
  /// From a Hugging Face `config.json` of model type `llama`, with the keys of Transformers 4 or 5.
  init(huggingFace json: JSON, path: String) throws(ModelFileError) {
    let fields = ConfigurationReader(json: json, path: path)
    let architecture = try fields.string("model_type")
    guard architecture == "llama" else { throw .unknownArchitecture(path: path, name: architecture) }
    try fields.refuseUnsupported()
    let hidden = try fields.integer("hidden_size")
    let queryHeads = try fields.integer("num_attention_heads")
    guard queryHeads > 0 else {
      throw .badValue(path: path, key: "num_attention_heads", found: "\(queryHeads)", expected: "a positive number")
    }
    let context = try fields.integer("max_position_embeddings", default: 2048)
    let rope = try fields.rope(context: context)
    // Absent keys mean what LlamaConfig says they mean.
    try self.init(
      checking: Fields(
        architecture: architecture,
        layers: fields.integer("num_hidden_layers"),
        hidden: hidden,
        intermediate: fields.integer("intermediate_size"),
        queryHeads: queryHeads,
        kvHeads: fields.integer("num_key_value_heads", default: queryHeads),
        headDim: fields.integer("head_dim", default: hidden / queryHeads),
        vocab: fields.integer("vocab_size"),
        context: context,
        rmsEps: fields.number("rms_norm_eps", default: 1e-6),
        ropeTheta: rope.theta,
        scaling: rope.scaling,
        tiedEmbeddings: fields.bool("tie_word_embeddings", default: false)),
      path: path)
  }
}

/// Values of a `config.json` by key, with errors that name the key.
struct ConfigurationReader {
  let json: JSON
  let path: String

  func integer(_ key: String, default fallback: Int? = nil) throws(ModelFileError) -> Int {
    try value(key, fallback, "an integer") { $0.integer }
  }

  func number(_ key: String, default fallback: Double? = nil) throws(ModelFileError) -> Double {
    try value(key, fallback, "a number") { $0.number }
  }

  func bool(_ key: String, default fallback: Bool? = nil) throws(ModelFileError) -> Bool {
    try value(key, fallback, "true or false") { $0.bool }
  }

  func string(_ key: String, default fallback: String? = nil) throws(ModelFileError) -> String {
    try value(key, fallback, "a string") { $0.string }
  }

  private func value<T>(
    _ key: String, _ fallback: T?, _ expected: String, _ read: (JSON) -> T?
  ) throws(ModelFileError) -> T {
    guard let found = json.present(key) else {
      guard let fallback else { throw .missingKey(path: path, key: key) }
      return fallback
    }
    guard let value = read(found) else {
      throw .badValue(path: path, key: key, found: found.text, expected: expected)
    }
    return value
  }

  /// What a Llama may have and this program does not compute.
  func refuseUnsupported() throws(ModelFileError) {
    if let name = json.present("architectures")?.array?.first?.string, name != "LlamaForCausalLM" {
      throw .unknownArchitecture(path: path, name: name)
    }
    if try bool("attention_bias", default: false) {
      throw .unsupportedFeature(path: path, feature: "attention_bias")
    }
    if try bool("mlp_bias", default: false) { throw .unsupportedFeature(path: path, feature: "mlp_bias") }
    let activation = try string("hidden_act", default: "silu")
    guard activation == "silu" else {
      throw .unsupportedFeature(path: path, feature: "hidden_act \(activation)")
    }
    if let quantization = json.present("quantization_config") {
      let method = quantization.present("quant_method")?.text ?? quantization.text
      throw .unsupportedFeature(path: path, feature: "quantization_config \(method)")
    }
  }

  /// `rope_parameters` (new) holds theta and scaling; before, `rope_theta` stood beside `rope_scaling`.
  func rope(context: Int) throws(ModelFileError) -> (theta: Double, scaling: RotaryEmbedding.Scaling) {
    let section = json.present("rope_parameters") ?? json.present("rope_scaling")
    let rope = ConfigurationReader(json: section ?? .object(JSONObject()), path: path)
    let rotated = try rope.number("partial_rotary_factor", default: number("partial_rotary_factor", default: 1))
    guard rotated == 1 else {
      throw .unsupportedFeature(path: path, feature: "partial_rotary_factor \(rotated)")
    }
    let theta = try rope.number("rope_theta", default: number("rope_theta", default: 10_000))
    // Older still: the kind was called `type`.
    let kind = try rope.string("rope_type", default: rope.string("type", default: "default"))
    switch kind {
    case "default":
      return (theta, .none)
    case "linear":
      return (theta, .linear(factor: Float(try rope.number("factor"))))
    case "llama3":
      return (
        theta,
        .llama3(
          factor: Float(try rope.number("factor")),
          lowFrequencyFactor: Float(try rope.number("low_freq_factor")),
          highFrequencyFactor: Float(try rope.number("high_freq_factor")),
          originalContext: try rope.integer("original_max_position_embeddings", default: context))
      )
    default:
      throw .unsupportedFeature(path: path, feature: "rope scaling \(kind)")
    }
  }
}
