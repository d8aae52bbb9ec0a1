// One function a family: how it departs from a plain Llama, by the keys and defaults of Transformers' configuration.
extension ConfigurationReader {
  func llama(_ type: String) throws(ModelFileError) -> ModelConfig.Fields {
    var fields = try common(type)
    fields.ropes = [try rope(context: fields.context)]
    return fields
  }

  /// Every layer slides, where there is a window.
  func mistral(_ type: String) throws(ModelFileError) -> ModelConfig.Fields {
    var fields = try common(type)
    fields.ropes = [try rope(context: fields.context)]
    guard let window = try nullable("sliding_window", absent: 4096) else { return fields }
    fields.decoderLayers = try spans(fields, window: window) { _ in true }
    return fields
  }

  func qwen2(_ type: String) throws(ModelFileError) -> ModelConfig.Fields {
    var fields = try qwen(type)
    fields.hasBias = true
    return fields
  }

  func qwen3(_ type: String) throws(ModelFileError) -> ModelConfig.Fields {
    var fields = try qwen(type, headDim: 128)
    fields.headNorm = .weighted
    return fields
  }

  /// Layers from `max_window_layers` on slide, if any do.
  private func qwen(_ type: String, headDim: Int? = nil) throws(ModelFileError) -> ModelConfig.Fields {
    var fields = try common(type, headDim: headDim)
    fields.ropes = [try rope(context: fields.context)]
    guard try bool("use_sliding_window", default: false) else { return fields }
    let first = try integer("max_window_layers", default: 28)
    fields.decoderLayers = try spans(fields, window: try integer("sliding_window", default: 4096)) { $0 >= first }
    return fields
  }

  func gemma2(_ type: String) throws(ModelFileError) -> ModelConfig.Fields {
    var fields = try gemma(type)
    fields.ropes = [try rope(context: fields.context)]
    fields.attentionSoftCap = try nullable("attn_logit_softcapping", absent: 50)
    fields.logitSoftCap = try nullable("final_logit_softcapping", absent: 30)
    fields.decoderLayers = try spans(fields, window: try integer("sliding_window", default: 4096)) { $0 % 2 == 0 }
    return fields
  }

  func gemma3(_ type: String) throws(ModelFileError) -> ModelConfig.Fields {
    var fields = try gemma(type)
    fields.headNorm = .weighted
    for key in ["attn_logit_softcapping", "final_logit_softcapping"] where json.present(key) != nil {
      throw .unsupportedFeature(path: path, feature: "\(key) in \(type)")
    }
    let period = try integer("sliding_window_pattern", default: integer("_sliding_window_pattern", default: 6))
    guard period > 0 else {
      throw .badValue(path: path, key: "sliding_window_pattern", found: "\(period)", expected: "a positive number")
    }
    let window = try integer("sliding_window", default: 4096)
    fields.ropes = [try globalRope(fields.context), try localRope(fields.context)]
    fields.decoderLayers = try spans(fields, window: window) { ($0 + 1) % period != 0 }.map { layer in
      DecoderLayer(span: layer.span, rope: layer.span == .full ? 0 : 1)
    }
    return fields
  }

  private func globalRope(_ context: Int) throws(ModelFileError) -> RotaryEmbedding {
    let new = section("rope_parameters").section("full_attention")
    let scaling = json.present("rope_parameters") == nil ? section("rope_scaling") : new
    let theta = try new.number("rope_theta", default: number("rope_theta", default: 1_000_000))
    return RotaryEmbedding(theta: Float(theta), scaling: try scaling.scaling(context: context))
  }

  private func localRope(_ context: Int) throws(ModelFileError) -> RotaryEmbedding {
    let new = section("rope_parameters").section("sliding_attention")
    let theta = try new.number("rope_theta", default: number("rope_local_base_freq", default: 10_000))
    return RotaryEmbedding(theta: Float(theta), scaling: try new.scaling(context: context))
  }

  private func gemma(_ type: String) throws(ModelFileError) -> ModelConfig.Fields {
    var fields = try common(
      type, headDim: 256, tied: true, activationKey: "hidden_activation", activation: .geluTanh)
    fields.norms = .inputsAndOutputs
    fields.normOffset = 1
    fields.embeddingScale = Float(fields.hidden).squareRoot()
    let scalar = try number("query_pre_attn_scalar", default: 256)
    guard scalar > 0 else {
      throw .badValue(path: path, key: "query_pre_attn_scalar", found: "\(scalar)", expected: "a positive number")
    }
    fields.attentionScale = 1 / scalar.squareRoot()
    return fields
  }

  func llama4(_ type: String) throws(ModelFileError) -> ModelConfig.Fields {
    var fields = try common(type, headDim: 128, eps: 1e-5)
    fields.ropes = [try rope(context: fields.context, theta: 500_000)]
    if try bool("use_qk_norm", default: true) { fields.headNorm = .plainAfterRope }
    if try bool("attn_temperature_tuning", default: true) {
      fields.temperature = TemperatureTuning(
        floorTokens: Float(try number("floor_scale", default: 8192)),
        strength: Float(try number("attn_scale", default: 0.1)))
    }
    // `intermediate_size` is an expert's; dense layers have a width of their own.
    fields.experts = ExpertTraits(
      count: try integer("num_local_experts", default: 16), perToken: try integer("num_experts_per_tok", default: 1),
      intermediate: fields.intermediate)
    fields.intermediate = try integer("intermediate_size_mlp", default: 16384)
    fields.decoderLayers = try llama4Layers(fields)
    return fields
  }

  private func llama4Layers(_ fields: ModelConfig.Fields) throws(ModelFileError) -> [DecoderLayer] {
    let interval = try integer("no_rope_layer_interval", default: 4)
    let step = try integer("interleave_moe_layer_step", default: 1)
    guard interval > 0, step > 0 else {
      throw .badValue(
        path: path, key: "no_rope_layer_interval or interleave_moe_layer_step", found: "\(min(interval, step))",
        expected: "a positive number")
    }
    let given = try integersIfPresent("no_rope_layers") ?? []
    guard given.isEmpty || given.count >= fields.layers else {
      throw .malformed(path: path, what: "no_rope_layers has \(given.count) of \(fields.layers) layers")
    }
    // 1 is a layer with rope, whatever the key's name says.
    let turns = indices(fields).map { given.isEmpty ? ($0 + 1) % interval != 0 : given[$0] != 0 }
    let experts = try integersIfPresent("moe_layers").map(Set.init)
    let chunk = try nullable("attention_chunk_size", absent: 8192)
    let types = try layerTypes(fields)
    return try indices(fields).map { (i) throws(ModelFileError) in
      let type = types?[i] ?? (turns[i] && chunk != nil ? "chunked_attention" : "full_attention")
      return DecoderLayer(
        span: try span(type, chunk: chunk), rope: turns[i] ? 0 : nil,
        hasExperts: experts?.contains(i) ?? ((i + 1) % step == 0))
    }
  }
}

extension ConfigurationReader {
  /// The layers by `layer_types`, where the file has it, else by the family's own rule.
  private func spans(
    _ fields: ModelConfig.Fields, window: Int, slides: (Int) -> Bool
  ) throws(ModelFileError) -> [DecoderLayer] {
    let types = try layerTypes(fields)
    return try indices(fields).map { (i) throws(ModelFileError) in
      let type = types?[i] ?? (slides(i) ? "sliding_attention" : "full_attention")
      return DecoderLayer(span: try span(type, window: window))
    }
  }

  /// Of the layers, as far as a count that is not checked yet can be believed.
  private func indices(_ fields: ModelConfig.Fields) -> Range<Int> {
    0..<max(0, min(fields.layers, ModelConfig.maxLayers))
  }

  private func layerTypes(_ fields: ModelConfig.Fields) throws(ModelFileError) -> [String]? {
    guard let types = try stringsIfPresent("layer_types") else { return nil }
    guard types.count == fields.layers else {
      throw .malformed(path: path, what: "layer_types has \(types.count) of \(fields.layers) layers")
    }
    return types
  }

  private func span(_ type: String, window: Int? = nil, chunk: Int? = nil) throws(ModelFileError) -> AttentionSpan {
    switch (type, window, chunk) {
    case ("full_attention", _, _): return .full
    case ("sliding_attention", let window?, _): return .sliding(tokens: window)
    case ("chunked_attention", _, let chunk?): return .chunked(tokens: chunk)
    default: throw .unsupportedFeature(path: path, feature: "layer type \(type)")
    }
  }
}
