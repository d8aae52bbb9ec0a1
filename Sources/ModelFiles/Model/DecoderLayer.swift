/// How far back the attention of a layer reads.
public enum AttentionSpan: Sendable, Hashable {
  /// Everything before the token.
  case full
  /// The token and the `tokens - 1` before it.
  case sliding(tokens: Int)
  /// The token and those before it in its own run of `tokens`.
  case chunked(tokens: Int)
}

/// What tells one layer of a decoder from another.
public struct DecoderLayer: Sendable, Hashable {
  public var span: AttentionSpan
  /// Which of the model's rotary embeddings turns q and k; nil: none does (NoPE).
  public var rope: Int?
  /// The feed-forward is a mixture of experts.
  public var hasExperts: Bool

  public init(span: AttentionSpan = .full, rope: Int? = 0, hasExperts: Bool = false) {
    self.span = span
    self.rope = rope
    self.hasExperts = hasExperts
  }
}

/// What attention does besides softmax(q k).
public struct AttentionTraits: Sendable, Hashable {
  /// How the heads of q and k are normed.
  public enum HeadNorm: Sendable, Hashable {
    case none
    /// RMS norm with a weight for each element of a head, before rope (Qwen 3, Gemma 3).
    case weighted
    /// RMS norm without a weight, after rope and only where there is one (Llama 4).
    case plainAfterRope
  }

  /// Of q.k.
  public var scale: Float
  /// Logits x become `softCap * tanh(x / softCap)` (Gemma 2).
  public var softCap: Float?
  public var headNorm: HeadNorm
  /// q, k and v have a bias (Qwen 2).
  public var hasBias: Bool
  /// Queries of layers without rope grow with their position (Llama 4).
  public var temperature: TemperatureTuning?

  public init(scale: Float) {
    self.scale = scale
    headNorm = .none
    hasBias = false
  }
}

/// Queries at `position` are multiplied by `1 + strength * log(1 + floor((position + 1) / floorTokens))`:
/// "Scalable-Softmax Is Superior for Attention" (arXiv:2501.19399), as Llama 4 has it.
public struct TemperatureTuning: Sendable, Hashable {
  public var floorTokens: Float
  public var strength: Float
}

/// A layer of experts beside one that every token goes through (Llama 4): each token's input, times the sigmoid of its
/// router logit, goes through the `perToken` experts of the largest logits, and all results are added.
public struct ExpertTraits: Sendable, Hashable {
  public var count: Int
  public var perToken: Int
  /// Width of each expert and of the shared one.
  public var intermediate: Int
}

/// Where a layer norms.
public enum NormPlacement: Sendable, Hashable {
  /// The inputs of attention and feed-forward.
  case inputs
  /// Their inputs and their outputs (Gemma 2 and 3).
  case inputsAndOutputs
}

/// What opens the gate of the feed-forward.
public enum GateActivation: String, Sendable, Hashable {
  case silu
  /// GELU by its tanh approximation.
  case geluTanh = "gelu_pytorch_tanh"
}
