extension ModelConfig {
  /// From a Hugging Face `config.json` of a family this program computes, with the keys of Transformers 4 or 5.
  init(huggingFace json: JSON, path: String) throws(ModelFileError) {
    let reader = ConfigurationReader(json: json, path: path)
    let type = try reader.string("model_type")
    guard let family = HuggingFaceFamily(rawValue: type) else {
      if HuggingFaceFamily.withImages.contains(type) {
        throw .unsupportedFeature(path: path, feature: "images: of \(type) only a \(type)_text is read, which")
      }
      throw .unknownArchitecture(path: path, name: type)
    }
    if let name = json.present("architectures")?.array?.first?.string, name != family.causalModel {
      throw .unknownArchitecture(path: path, name: name)
    }
    try reader.refuseUnsupported()
    try self.init(checking: try family.fields(reader), path: path)
  }
}

/// A `model_type`, and how its configuration is read. What is absent means what Transformers' class says it means.
enum HuggingFaceFamily: String, CaseIterable {
  case llama
  case mistral
  case qwen2
  case qwen3
  case gemma2
  case gemma3 = "gemma3_text"
  case llama4 = "llama4_text"

  /// Types that hold one of the above beside a vision model.
  static let withImages = ["gemma3", "llama4"]

  /// Neighbouring rows of q and k turn together in the file; in the others' the halves of a head do.
  var rotatesNeighbours: Bool { self == .llama4 }

  /// The one class of each family that predicts the next token.
  var causalModel: String {
    switch self {
    case .llama: "LlamaForCausalLM"
    case .mistral: "MistralForCausalLM"
    case .qwen2: "Qwen2ForCausalLM"
    case .qwen3: "Qwen3ForCausalLM"
    case .gemma2: "Gemma2ForCausalLM"
    case .gemma3: "Gemma3ForCausalLM"
    case .llama4: "Llama4ForCausalLM"
    }
  }

  func fields(_ reader: ConfigurationReader) throws(ModelFileError) -> ModelConfig.Fields {
    switch self {
    case .llama: try reader.llama(rawValue)
    case .mistral: try reader.mistral(rawValue)
    case .qwen2: try reader.qwen2(rawValue)
    case .qwen3: try reader.qwen3(rawValue)
    case .gemma2: try reader.gemma2(rawValue)
    case .gemma3: try reader.gemma3(rawValue)
    case .llama4: try reader.llama4(rawValue)
    }
  }
}

extension ConfigurationReader {
  /// What a family may have and this program does not compute.
  func refuseUnsupported() throws(ModelFileError) {
    for key in ["attention_bias", "mlp_bias", "use_bidirectional_attention", "attn_output_gate"]
    where try bool(key, default: false) {
      throw .unsupportedFeature(path: path, feature: key)
    }
    if let quantization = json.present("quantization_config") {
      let method = quantization.present("quant_method")?.text ?? quantization.text
      throw .unsupportedFeature(path: path, feature: "quantization_config \(method)")
    }
  }

  /// What all families have, as a plain Llama has it.
  /// - Parameters:
  ///   - headDim: where the file does not say; nil: hidden size over heads.
  ///   - theta: the base of rope where the file does not say.
  func common(
    _ architecture: String, headDim: Int? = nil, eps: Double = 1e-6, tied: Bool = false, theta: Double = 10_000,
    activationKey: String = "hidden_act", activation: GateActivation = .silu
  ) throws(ModelFileError) -> ModelConfig.Fields {
    let hidden = try integer("hidden_size")
    let queryHeads = try integer("num_attention_heads")
    guard queryHeads > 0 else {
      throw .badValue(path: path, key: "num_attention_heads", found: "\(queryHeads)", expected: "a positive number")
    }
    let context = try integer("max_position_embeddings", default: 2048)
    var fields = ModelConfig.Fields(
      architecture: architecture,
      layers: try integer("num_hidden_layers"),
      hidden: hidden,
      intermediate: try integer("intermediate_size"),
      queryHeads: queryHeads,
      kvHeads: try integer("num_key_value_heads", default: queryHeads),
      headDim: try integer("head_dim", default: headDim ?? hidden / queryHeads),
      vocab: try integer("vocab_size"),
      context: context,
      rmsEps: try number("rms_norm_eps", default: eps),
      ropes: [],
      tiedEmbeddings: try bool("tie_word_embeddings", default: tied))
    let name = try string(activationKey, default: activation.rawValue)
    guard let known = GateActivation(rawValue: name), known == activation else {
      throw .unsupportedFeature(path: path, feature: "\(activationKey) \(name)")
    }
    fields.activation = known
    return fields
  }
}
