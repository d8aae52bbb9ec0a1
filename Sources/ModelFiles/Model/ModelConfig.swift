/// The shape of a transformer of the Llama family, whichever file described it. Counts are positive and consistent:
/// `queryHeads` is a multiple of `kvHeads`, `headDim` is even.
public struct ModelConfig: Sendable, Hashable {
  /// What the file calls the architecture: `llama`.
  public let architecture: String
  public let layers: Int
  /// Width of the residual stream.
  public let hidden: Int
  /// Width of the gated feed-forward layer.
  public let intermediate: Int
  public let queryHeads: Int
  public let kvHeads: Int
  /// Elements of one head of q, k and v.
  public let headDim: Int
  /// Rows of the embedding: token ids are `0 ..< vocab`.
  public let vocab: Int
  /// Tokens the model was trained to read at most.
  public let context: Int
  public let rmsEps: Float
  public let rope: RotaryEmbedding
  /// The head is the embedding: there is no `lm_head.weight`.
  public let tiedEmbeddings: Bool

  /// Elements of all query heads of one token: rows of `q_proj`, columns of `o_proj`.
  public var queryWidth: Int { queryHeads * headDim }
  /// Elements of all key heads of one token: rows of `k_proj` and `v_proj`.
  public var kvWidth: Int { kvHeads * headDim }

  static let maxLayers = 1024
  static let maxWidth = 1 << 20
  static let maxHeads = 1 << 12
  static let maxHeadDim = 1 << 12
  static let maxVocab = 1 << 22
  static let maxContext = 1 << 28
}

extension ModelConfig {
  /// The configuration as text in one fixed order and spelling: what a model's fingerprint is computed over, so that
  /// the same shape from a GGUF file or a Hugging Face directory reads the same.
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
    rope_scaling=\(scalingText)
    tied_embeddings=\(tiedEmbeddings)

    """
  }

  private var scalingText: String {
    switch rope.scaling {
    case .none: "none"
    case .linear(let factor): "linear:\(Self.hexadecimal(factor))"
    case .llama3(let factor, let low, let high, let original):
      "llama3:\(Self.hexadecimal(factor)):\(Self.hexadecimal(low)):\(Self.hexadecimal(high)):\(original)"
    case .divisors(let divisors): "divisors:" + divisors.map(Self.hexadecimal).joined(separator: ",")
    }
  }

  /// The bits, because printed decimals depend on who prints them.
  private static func hexadecimal(_ value: Float) -> String {
    let digits = String(value.bitPattern, radix: 16)
    return String(repeating: "0", count: 8 - digits.count) + digits
  }
}
