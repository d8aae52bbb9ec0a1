extension ModelConfig {
  /// What a file says, before anything has been checked.
  struct Fields {
    var architecture: String
    var layers: Int
    var hidden: Int
    var intermediate: Int
    var queryHeads: Int
    var kvHeads: Int
    var headDim: Int
    var vocab: Int
    var context: Int
    var rmsEps: Double
    /// The first is that of every layer unless `decoderLayers` says otherwise.
    var ropes: [RotaryEmbedding]
    var tiedEmbeddings: Bool
    /// nil: full attention, with rope, everywhere.
    var decoderLayers: [DecoderLayer]?
    /// nil: 1 / sqrt(headDim).
    var attentionScale: Double?
    var attentionSoftCap: Double?
    var headNorm = AttentionTraits.HeadNorm.none
    var hasBias = false
    var temperature: TemperatureTuning?
    var norms = NormPlacement.inputs
    var normOffset: Float = 0
    var activation = GateActivation.silu
    var experts: ExpertTraits?
    var embeddingScale: Float = 1
    var logitSoftCap: Double?
  }

  /// Refuses what no model has, so that later arithmetic on these numbers cannot overflow.
  init(checking fields: Fields, path: String) throws(ModelFileError) {
    let ranges: [(String, Int, Int)] = [
      ("number of layers", fields.layers, Self.maxLayers),
      ("hidden size", fields.hidden, Self.maxWidth),
      ("intermediate size", fields.intermediate, Self.maxWidth),
      ("number of attention heads", fields.queryHeads, Self.maxHeads),
      ("number of key-value heads", fields.kvHeads, Self.maxHeads),
      ("head dimension", fields.headDim, Self.maxHeadDim),
      ("vocabulary size", fields.vocab, Self.maxVocab),
      ("context length", fields.context, Self.maxContext),
    ]
    for (what, value, limit) in ranges where value < 1 || value > limit {
      throw .badValue(path: path, key: "the \(what)", found: "\(value)", expected: "1 to \(limit)")
    }
    guard fields.queryHeads % fields.kvHeads == 0 else {
      throw .badValue(
        path: path, key: "the number of attention heads", found: "\(fields.queryHeads)",
        expected: "a multiple of the \(fields.kvHeads) key-value heads")
    }
    guard fields.headDim % 2 == 0 else {
      throw .badValue(path: path, key: "the head dimension", found: "\(fields.headDim)", expected: "an even number")
    }
    try Self.check(Float(fields.rmsEps), "the epsilon of the norms", path: path)
    for rope in fields.ropes {
      try Self.check(rope.theta, "the base of the rotary embedding", path: path)
      try Self.check(rope.scaling, path: path)
    }
    let decoderLayers = fields.decoderLayers ?? Array(repeating: DecoderLayer(), count: fields.layers)
    try Self.check(decoderLayers, fields, path: path)
    try Self.check(fields.experts, path: path)
    attention = try Self.attention(fields, path: path)
    architecture = fields.architecture
    layers = fields.layers
    hidden = fields.hidden
    intermediate = fields.intermediate
    queryHeads = fields.queryHeads
    kvHeads = fields.kvHeads
    headDim = fields.headDim
    vocab = fields.vocab
    context = fields.context
    rmsEps = Float(fields.rmsEps)
    ropes = fields.ropes
    tiedEmbeddings = fields.tiedEmbeddings
    self.decoderLayers = decoderLayers
    norms = fields.norms
    normOffset = fields.normOffset
    activation = fields.activation
    experts = fields.experts
    try Self.check(fields.embeddingScale, "the scale of the embedding", path: path)
    embeddingScale = fields.embeddingScale
    logitSoftCap = try Self.softCap(fields.logitSoftCap, "the soft-cap of the logits", path: path)
  }

  private static func attention(_ fields: Fields, path: String) throws(ModelFileError) -> AttentionTraits {
    var attention = AttentionTraits(
      scale: fields.attentionScale.map(Float.init) ?? usualScale(headDim: fields.headDim))
    try check(attention.scale, "the scale of attention", path: path)
    attention.softCap = try softCap(fields.attentionSoftCap, "the soft-cap of attention", path: path)
    attention.headNorm = fields.headNorm
    attention.hasBias = fields.hasBias
    attention.temperature = fields.temperature
    if let temperature = fields.temperature {
      try check(temperature.floorTokens, "floor_scale", path: path)
      guard temperature.strength.isFinite, temperature.strength >= 0 else {
        throw .badValue(path: path, key: "attn_scale", found: "\(temperature.strength)", expected: "0 or more")
      }
    }
    return attention
  }

  private static func softCap(_ value: Double?, _ what: String, path: String) throws(ModelFileError) -> Float? {
    guard let value else { return nil }
    try check(Float(value), what, path: path)
    return Float(value)
  }

  private static func check(_ layers: [DecoderLayer], _ fields: Fields, path: String) throws(ModelFileError) {
    guard layers.count == fields.layers else {
      throw .malformed(path: path, what: "\(fields.layers) layers, of which \(layers.count) are described")
    }
    for layer in layers {
      switch layer.span {
      case .full: continue
      case .sliding(let tokens), .chunked(let tokens):
        guard tokens >= 1, tokens <= maxContext else {
          throw .badValue(
            path: path, key: "the tokens a layer reads", found: "\(tokens)", expected: "1 to \(maxContext)")
        }
      }
    }
  }

  private static func check(_ experts: ExpertTraits?, path: String) throws(ModelFileError) {
    guard let experts else { return }
    let ranges: [(String, Int, Int)] = [
      ("number of experts", experts.count, maxExperts),
      ("number of experts of a token", experts.perToken, experts.count),
      ("width of an expert", experts.intermediate, maxWidth),
    ]
    for (what, value, limit) in ranges where value < 1 || value > limit {
      throw .badValue(path: path, key: "the \(what)", found: "\(value)", expected: "1 to \(limit)")
    }
  }

  private static func check(_ value: Float, _ what: String, path: String) throws(ModelFileError) {
    guard value.isFinite, value > 0 else {
      throw .badValue(path: path, key: what, found: "\(value)", expected: "a positive number")
    }
  }

  private static func check(_ scaling: RotaryEmbedding.Scaling, path: String) throws(ModelFileError) {
    switch scaling {
    case .none:
      return
    case .linear(let factor):
      try check(factor, "the factor of rope scaling", path: path)
    case .yarn(let yarn):
      try check(yarn.factor, "the factor of rope scaling", path: path)
      try check(yarn.betaSlow, "beta_slow", path: path)
      try check(yarn.betaFast, "beta_fast", path: path)
      try check(yarn.attentionFactor, "attention_factor", path: path)
      try checkOriginal(yarn.originalContext, path: path)
    case .divisors(let divisors):
      for divisor in divisors { try check(divisor, "a divisor of rope_freqs", path: path) }
    case .llama3(let factor, let low, let high, let original):
      try check(factor, "the factor of rope scaling", path: path)
      try check(low, "low_freq_factor", path: path)
      guard high.isFinite, high > low else {
        throw .badValue(path: path, key: "high_freq_factor", found: "\(high)", expected: "more than \(low)")
      }
      try checkOriginal(original, path: path)
    }
  }

  private static func checkOriginal(_ context: Int, path: String) throws(ModelFileError) {
    guard context >= 1, context <= maxContext else {
      throw .badValue(
        path: path, key: "original_max_position_embeddings", found: "\(context)", expected: "1 to \(maxContext)")
    }
  }
}
