// What llama.cpp's loader (src/llama-model.cpp) knows of a family, where the file does not say it.
extension GGUFConfiguration {
  /// Gemma's files hold norms as 1 + w: nothing is added to them.
  func gemma(_ fields: inout ModelConfig.Fields) throws(ModelFileError) {
    fields.norms = .inputsAndOutputs
    fields.activation = .geluTanh
    fields.embeddingScale = Float(fields.hidden).squareRoot()
    fields.attentionScale = try number("attention.scale") ?? gemmaScale(fields)
    let window = try integer("attention.sliding_window")
    if family == .gemma2 {
      fields.attentionSoftCap = try number("attn_logit_softcapping") ?? 50
      fields.logitSoftCap = try number("final_logit_softcapping") ?? 30
      try slide(&fields, window: window ?? 4096, period: 2)
    } else {
      fields.headNorm = .weighted
      if let cap = try number("final_logit_softcapping"), cap != 0 { fields.logitSoftCap = cap }
      guard let window else { return }
      let local = try number("rope.freq_base_swa") ?? 10_000
      fields.ropes.append(RotaryEmbedding(theta: Float(local), scaling: .none))
      try slide(&fields, window: window, period: 6)
      fields.decoderLayers = fields.decoderLayers?.map { DecoderLayer(span: $0.span, rope: $0.span == .full ? 0 : 1) }
    }
  }

  /// The 27B models scale by the width of a head as if heads made up the hidden size; they are known by their layers.
  private func gemmaScale(_ fields: ModelConfig.Fields) -> Double? {
    let is27B = fields.layers == (family == .gemma2 ? 46 : 62)
    return is27B && fields.queryHeads > 0
      ? 1 / Double(fields.hidden / fields.queryHeads).squareRoot() : nil
  }

  /// All but every `period`th layer slide; a file may name the period, or each layer.
  private func slide(
    _ fields: inout ModelConfig.Fields, window: Int, period: Int
  ) throws(ModelFileError) {
    let name = "attention.sliding_window_pattern"
    let count = max(0, min(fields.layers, ModelConfig.maxLayers))
    var slides: [Bool]
    if let each = try gguf.metadata.boolsIfArray(key(name)) {
      guard each.count >= count else {
        throw .malformed(path: gguf.file.path, what: "\(key(name)) has \(each.count) of \(count) layers")
      }
      slides = Array(each.prefix(count))
    } else {
      let period = try integer(name) ?? period
      guard period > 0 else {
        throw .badValue(path: gguf.file.path, key: key(name), found: "\(period)", expected: "a positive number")
      }
      slides = (0..<count).map { ($0 + 1) % period != 0 }
    }
    fields.decoderLayers = slides.map { DecoderLayer(span: $0 ? .sliding(tokens: window) : .full) }
  }

  /// Chunks of 8192 tokens and every fourth layer without rope, unless the file says that there is no window.
  func llama4(_ fields: inout ModelConfig.Fields) throws(ModelFileError) {
    // The model of 128 experts has no norm of q and k.
    let experts = try need("expert_count")
    if experts != 128 { fields.headNorm = .plainAfterRope }
    fields.experts = ExpertTraits(
      count: experts, perToken: try need("expert_used_count"), intermediate: try need("expert_feed_forward_length"))
    fields.temperature = TemperatureTuning(
      floorTokens: Float(try number("attention.temperature_length") ?? 8192),
      strength: Float(try number("attention.temperature_scale") ?? 0.1))
    let step = try integer("interleave_moe_layer_step") ?? 1
    guard step > 0 else {
      throw .badValue(
        path: gguf.file.path, key: key("interleave_moe_layer_step"), found: "\(step)", expected: "a positive number")
    }
    let isChunked = try integer("attention.sliding_window") != 0
    fields.decoderLayers = (0..<max(0, min(fields.layers, ModelConfig.maxLayers))).map { i in
      let turns = !isChunked || (i + 1) % 4 != 0
      return DecoderLayer(
        span: isChunked && turns ? .chunked(tokens: 8192) : .full, rope: turns ? 0 : nil,
        hasExperts: (i + 1) % step == 0)
    }
  }
}
