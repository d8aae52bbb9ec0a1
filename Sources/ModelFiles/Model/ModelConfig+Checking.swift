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
    var ropeTheta: Double
    var scaling: RotaryEmbedding.Scaling
    var tiedEmbeddings: Bool
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
    try Self.check(Float(fields.ropeTheta), "the base of the rotary embedding", path: path)
    try Self.check(fields.scaling, path: path)
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
    rope = RotaryEmbedding(theta: Float(fields.ropeTheta), scaling: fields.scaling)
    tiedEmbeddings = fields.tiedEmbeddings
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
    case .divisors(let divisors):
      for divisor in divisors { try check(divisor, "a divisor of rope_freqs", path: path) }
    case .llama3(let factor, let low, let high, let original):
      try check(factor, "the factor of rope scaling", path: path)
      try check(low, "low_freq_factor", path: path)
      guard high.isFinite, high > low else {
        throw .badValue(path: path, key: "high_freq_factor", found: "\(high)", expected: "more than \(low)")
      }
      guard original >= 1, original <= maxContext else {
        throw .badValue(
          path: path, key: "original_max_position_embeddings", found: "\(original)", expected: "1 to \(maxContext)")
      }
    }
  }
}
