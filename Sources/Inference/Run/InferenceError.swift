/// A request the model cannot fulfil.
public enum InferenceError: Error, Sendable, Hashable {
  case emptyPrompt
  case tokenOutOfRange(token: UInt32, vocab: Int)
  case promptTooLong(tokens: Int, context: Int)

  /// One sentence a user can act on.
  public var message: String {
    switch self {
    case .emptyPrompt: "the prompt is empty: give at least one token"
    case .tokenOutOfRange(let token, let vocab):
      "token id \(token) is out of range: the model's ids are 0 to \(vocab - 1)"
    case .promptTooLong(let tokens, let context):
      "\(tokens) tokens exceed the \(context) the model was trained to read: shorten the prompt"
    }
  }
}
