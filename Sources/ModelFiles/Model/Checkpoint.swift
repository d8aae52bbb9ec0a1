/// A model on disk: a `.gguf` file or a Hugging Face directory, checked as a whole when it is opened.
public struct Checkpoint: Sendable {
  public let path: String
  public let config: ModelConfig
  public let weights: any WeightSource
  public let tokenizer: TokenizerDescription
  /// The files the weights are in, for a fingerprint cache keyed by what the file system says of them.
  public let weightFiles: [FileIdentity]
}
