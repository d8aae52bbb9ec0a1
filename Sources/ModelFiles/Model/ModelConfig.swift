/// The shape of a decoder, whichever file described it and whatever its family: what a layer computes follows from this
/// and from nothing else. Counts are positive and consistent: `queryHeads` is a multiple of `kvHeads`, `headDim` is even,
/// `decoderLayers` has an entry for each layer.
public struct ModelConfig: Sendable, Hashable {
  /// What the file calls the architecture: `llama`, `gemma3_text`.
  public let architecture: String
  public let layers: Int
  /// Width of the residual stream.
  public let hidden: Int
  /// Width of the gated feed-forward layer, where it is no mixture of experts.
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
  /// The rotary embeddings that layers choose from: at least one.
  public let ropes: [RotaryEmbedding]
  /// The head is the embedding: there is no `lm_head.weight`.
  public let tiedEmbeddings: Bool
  public let decoderLayers: [DecoderLayer]
  public let attention: AttentionTraits
  public let norms: NormPlacement
  /// Norms multiply by this more than the file's weight: 1 in Gemma's Hugging Face files, 0 elsewhere.
  public let normOffset: Float
  public let activation: GateActivation
  public let experts: ExpertTraits?
  /// Rows of the embedding are multiplied by it.
  public let embeddingScale: Float
  /// The head's logits x become `logitSoftCap * tanh(x / logitSoftCap)`.
  public let logitSoftCap: Float?

  /// The first rotary embedding: the only one of most models.
  public var rope: RotaryEmbedding { ropes[0] }
  /// Elements of all query heads of one token: rows of `q_proj`, columns of `o_proj`.
  public var queryWidth: Int { queryHeads * headDim }
  /// Elements of all key heads of one token: rows of `k_proj` and `v_proj`.
  public var kvWidth: Int { kvHeads * headDim }
  /// Whether some layer reads less than everything.
  public var isHybrid: Bool { decoderLayers.contains { $0.span != .full } }

  static let maxLayers = 1024
  static let maxWidth = 1 << 20
  static let maxHeads = 1 << 12
  static let maxHeadDim = 256
  static let maxVocab = 1 << 22
  static let maxContext = 1 << 28
  static let maxExperts = 1 << 10
}
