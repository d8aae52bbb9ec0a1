/// Canonical tensor names: those of a Hugging Face `LlamaForCausalLM`, and of the families for what it has not. Names of
/// experts are made up: files agree on none.
public enum TensorName {
  /// [vocab, hidden]
  public static let embedding = "model.embed_tokens.weight"
  /// [hidden]
  public static let finalNorm = "model.norm.weight"
  /// [vocab, hidden]; absent where embeddings are tied.
  public static let head = "lm_head.weight"

  /// The tensors a layer may have.
  public enum Layer: String, CaseIterable, Sendable {
    /// [hidden]
    case inputNorm = "input_layernorm.weight"
    /// [queryWidth, hidden]
    case query = "self_attn.q_proj.weight"
    /// [kvWidth, hidden]
    case key = "self_attn.k_proj.weight"
    /// [kvWidth, hidden]
    case value = "self_attn.v_proj.weight"
    /// [queryWidth]
    case queryBias = "self_attn.q_proj.bias"
    /// [kvWidth]
    case keyBias = "self_attn.k_proj.bias"
    /// [kvWidth]
    case valueBias = "self_attn.v_proj.bias"
    /// [headDim]
    case queryNorm = "self_attn.q_norm.weight"
    /// [headDim]
    case keyNorm = "self_attn.k_norm.weight"
    /// [hidden, queryWidth]
    case attentionOutput = "self_attn.o_proj.weight"
    /// [hidden]: of the feed-forward's input, or of attention's output where there are norms of both.
    case postAttentionNorm = "post_attention_layernorm.weight"
    /// [hidden]: of the feed-forward's input, where outputs are normed too.
    case preFeedForwardNorm = "pre_feedforward_layernorm.weight"
    /// [hidden]
    case postFeedForwardNorm = "post_feedforward_layernorm.weight"
    /// [width, hidden]; of a layer with experts that of the shared one.
    case gate = "mlp.gate_proj.weight"
    /// [width, hidden]
    case up = "mlp.up_proj.weight"
    /// [hidden, width]
    case down = "mlp.down_proj.weight"
    /// [experts, hidden]
    case router = "mlp.router.weight"
    /// [experts, intermediate, hidden]
    case expertGate = "mlp.experts.gate_proj.weight"
    /// [experts, intermediate, hidden]
    case expertUp = "mlp.experts.up_proj.weight"
    /// [experts, hidden, intermediate]
    case expertDown = "mlp.experts.down_proj.weight"
  }

  public static func layer(_ index: Int, _ tensor: Layer) -> String { "model.layers.\(index).\(tensor.rawValue)" }
}

extension ModelConfig {
  /// Width of a layer's feed-forward: that of the shared expert, where it has experts.
  public func intermediate(layer: Int) -> Int {
    decoderLayers[layer].hasExperts ? experts?.intermediate ?? intermediate : intermediate
  }

  /// The shape a layer's tensor must have, outermost first; nil where the layer has no such tensor.
  public func shape(of tensor: TensorName.Layer, layer: Int) -> [Int]? {
    let width = intermediate(layer: layer)
    let experts = decoderLayers[layer].hasExperts ? experts : nil
    switch tensor {
    case .inputNorm, .postAttentionNorm: return [hidden]
    case .preFeedForwardNorm, .postFeedForwardNorm: return norms == .inputsAndOutputs ? [hidden] : nil
    case .query: return [queryWidth, hidden]
    case .key, .value: return [kvWidth, hidden]
    case .queryBias: return attention.hasBias ? [queryWidth] : nil
    case .keyBias, .valueBias: return attention.hasBias ? [kvWidth] : nil
    case .queryNorm, .keyNorm: return attention.headNorm == .weighted ? [headDim] : nil
    case .attentionOutput: return [hidden, queryWidth]
    case .gate, .up: return [width, hidden]
    case .down: return [hidden, width]
    case .router: return experts.map { [$0.count, hidden] }
    case .expertGate, .expertUp: return experts.map { [$0.count, $0.intermediate, hidden] }
    case .expertDown: return experts.map { [$0.count, hidden, $0.intermediate] }
    }
  }

  /// The norm of the feed-forward's input.
  public var feedForwardNorm: TensorName.Layer {
    norms == .inputsAndOutputs ? .preFeedForwardNorm : .postAttentionNorm
  }

  /// Every tensor the model needs, with its shape: embedding, layers in order, final norm, then the head if untied.
  public var requiredTensors: [(name: String, shape: [Int])] {
    var all = [(name: TensorName.embedding, shape: [vocab, hidden])]
    for layer in 0..<layers {
      for tensor in TensorName.Layer.allCases {
        if let shape = shape(of: tensor, layer: layer) { all.append((TensorName.layer(layer, tensor), shape)) }
      }
    }
    all.append((TensorName.finalNorm, [hidden]))
    if !tiedEmbeddings { all.append((TensorName.head, [vocab, hidden])) }
    return all
  }
}
