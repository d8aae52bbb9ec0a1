/// Canonical tensor names: those of a Hugging Face `LlamaForCausalLM`.
public enum TensorName {
  /// [vocab, hidden]
  public static let embedding = "model.embed_tokens.weight"
  /// [hidden]
  public static let finalNorm = "model.norm.weight"
  /// [vocab, hidden]; absent where embeddings are tied.
  public static let head = "lm_head.weight"

  /// The tensors of one layer.
  public enum Layer: String, CaseIterable, Sendable {
    /// [hidden]
    case inputNorm = "input_layernorm.weight"
    /// [queryWidth, hidden]
    case query = "self_attn.q_proj.weight"
    /// [kvWidth, hidden]
    case key = "self_attn.k_proj.weight"
    /// [kvWidth, hidden]
    case value = "self_attn.v_proj.weight"
    /// [hidden, queryWidth]
    case attentionOutput = "self_attn.o_proj.weight"
    /// [hidden]
    case postAttentionNorm = "post_attention_layernorm.weight"
    /// [intermediate, hidden]
    case gate = "mlp.gate_proj.weight"
    /// [intermediate, hidden]
    case up = "mlp.up_proj.weight"
    /// [hidden, intermediate]
    case down = "mlp.down_proj.weight"
  }

  public static func layer(_ index: Int, _ tensor: Layer) -> String { "model.layers.\(index).\(tensor.rawValue)" }
}

extension ModelConfig {
  /// The shape a layer's tensor must have, outermost first.
  public func shape(of tensor: TensorName.Layer) -> [Int] {
    switch tensor {
    case .inputNorm, .postAttentionNorm: [hidden]
    case .query: [queryWidth, hidden]
    case .key, .value: [kvWidth, hidden]
    case .attentionOutput: [hidden, queryWidth]
    case .gate, .up: [intermediate, hidden]
    case .down: [hidden, intermediate]
    }
  }

  /// Every tensor the model needs, with its shape: embedding, layers in order, final norm, then the head if untied.
  public var requiredTensors: [(name: String, shape: [Int])] {
    var all = [(name: TensorName.embedding, shape: [vocab, hidden])]
    for layer in 0..<layers {
      for tensor in TensorName.Layer.allCases {
        all.append((TensorName.layer(layer, tensor), shape(of: tensor)))
      }
    }
    all.append((TensorName.finalNorm, [hidden]))
    if !tiedEmbeddings { all.append((TensorName.head, [vocab, hidden])) }
    return all
  }
}
