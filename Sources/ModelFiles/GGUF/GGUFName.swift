/// GGUF's names of a decoder's tensors.
struct GGUFName {
  static let ropeDivisors = "rope_freqs.weight"

  private static let whole = [
    "token_embd.weight": TensorName.embedding,
    "output_norm.weight": TensorName.finalNorm,
    "output.weight": TensorName.head,
  ]
  private let config: ModelConfig
  private let perLayer: [String: TensorName.Layer]

  init(_ config: ModelConfig) {
    self.config = config
    perLayer = [
      "attn_norm.weight": .inputNorm,
      "attn_q.weight": .query,
      "attn_k.weight": .key,
      "attn_v.weight": .value,
      "attn_q.bias": .queryBias,
      "attn_k.bias": .keyBias,
      "attn_v.bias": .valueBias,
      "attn_q_norm.weight": .queryNorm,
      "attn_k_norm.weight": .keyNorm,
      "attn_output.weight": .attentionOutput,
      "post_attention_norm.weight": .postAttentionNorm,
      "ffn_norm.weight": config.feedForwardNorm,
      "post_ffw_norm.weight": .postFeedForwardNorm,
      "ffn_gate.weight": .gate,
      "ffn_up.weight": .up,
      "ffn_down.weight": .down,
      "ffn_gate_shexp.weight": .gate,
      "ffn_up_shexp.weight": .up,
      "ffn_down_shexp.weight": .down,
      "ffn_gate_inp.weight": .router,
      "ffn_gate_exps.weight": .expertGate,
      "ffn_up_exps.weight": .expertUp,
      "ffn_down_exps.weight": .expertDown,
    ]
  }

  /// The canonical name, and whether it is of q or k. A name of nothing that the model has is its own.
  func canonical(_ name: String) -> (name: String, isRotated: Bool) {
    if let canonical = Self.whole[name] { return (canonical, false) }
    let parts = name.split(separator: ".", maxSplits: 2, omittingEmptySubsequences: false)
    guard parts.count == 3, parts[0] == "blk", let layer = Int(parts[1]), String(layer) == parts[1],
      config.decoderLayers.indices.contains(layer), let tensor = perLayer[String(parts[2])],
      config.shape(of: tensor, layer: layer) != nil
    else { return (name, false) }
    return (TensorName.layer(layer, tensor), tensor == .query || tensor == .key)
  }
}
