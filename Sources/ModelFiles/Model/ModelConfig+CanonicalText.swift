extension ModelConfig {
  /// The configuration as text in one fixed order and spelling: what a model's fingerprint is computed over, so that
  /// the same shape from a GGUF file or a Hugging Face directory reads the same. What a plain Llama does not have is
  /// written only where it is there.
  public var canonicalText: String {
    """
    architecture=\(architecture)
    layers=\(layers)
    hidden=\(hidden)
    intermediate=\(intermediate)
    query_heads=\(queryHeads)
    kv_heads=\(kvHeads)
    head_dim=\(headDim)
    vocab=\(vocab)
    context=\(context)
    rms_eps=\(Self.hexadecimal(rmsEps))
    rope_theta=\(Self.hexadecimal(rope.theta))
    rope_scaling=\(Self.text(rope.scaling))
    tied_embeddings=\(tiedEmbeddings)

    """ + traits.map { "\($0)=\($1)\n" }.joined()
  }

  private var traits: [(String, String)] {
    var lines: [(String, String)] = []
    for other in ropes.dropFirst() {
      lines.append(("rope", "\(Self.hexadecimal(other.theta)):\(Self.text(other.scaling))"))
    }
    if decoderLayers.contains(where: { $0 != DecoderLayer() }) {
      lines.append(("layers", decoderLayers.map(Self.text).joined(separator: ",")))
    }
    if attention != AttentionTraits(scale: Self.usualScale(headDim: headDim)) {
      let cap = attention.softCap.map(Self.hexadecimal) ?? "none"
      let temperature = attention.temperature.map {
        "\(Self.hexadecimal($0.floorTokens)):\(Self.hexadecimal($0.strength))"
      }
      lines.append(
        (
          "attention",
          "\(Self.hexadecimal(attention.scale)),\(cap),\(attention.headNorm),\(attention.hasBias),"
            + (temperature ?? "none")
        ))
    }
    if norms != .inputs || normOffset != 0 { lines.append(("norms", "\(norms),\(Self.hexadecimal(normOffset))")) }
    if activation != .silu { lines.append(("activation", activation.rawValue)) }
    if let experts { lines.append(("experts", "\(experts.count),\(experts.perToken),\(experts.intermediate)")) }
    if embeddingScale != 1 { lines.append(("embedding_scale", Self.hexadecimal(embeddingScale))) }
    if let logitSoftCap { lines.append(("logit_soft_cap", Self.hexadecimal(logitSoftCap))) }
    return lines
  }

  /// 1 / sqrt(headDim).
  static func usualScale(headDim: Int) -> Float { 1 / Float(headDim).squareRoot() }

  private static func text(_ layer: DecoderLayer) -> String {
    let span =
      switch layer.span {
      case .full: "full"
      case .sliding(let tokens): "sliding\(tokens)"
      case .chunked(let tokens): "chunked\(tokens)"
      }
    return "\(span):\(layer.rope.map(String.init) ?? "none"):\(layer.hasExperts ? "experts" : "dense")"
  }

  private static func text(_ scaling: RotaryEmbedding.Scaling) -> String {
    switch scaling {
    case .none: "none"
    case .linear(let factor): "linear:\(hexadecimal(factor))"
    case .llama3(let factor, let low, let high, let original):
      "llama3:\(hexadecimal(factor)):\(hexadecimal(low)):\(hexadecimal(high)):\(original)"
    case .divisors(let divisors): "divisors:" + divisors.map(hexadecimal).joined(separator: ",")
    case .yarn(let yarn):
      "yarn:"
        + [yarn.factor, yarn.betaFast, yarn.betaSlow, yarn.attentionFactor].map(hexadecimal)
        .joined(separator: ":") + ":\(yarn.originalContext):\(yarn.truncates)"
    }
  }

  /// The bits, because printed decimals depend on who prints them.
  private static func hexadecimal(_ value: Float) -> String {
    let digits = String(value.bitPattern, radix: 16)
    return String(repeating: "0", count: 8 - digits.count) + digits
  }
}
