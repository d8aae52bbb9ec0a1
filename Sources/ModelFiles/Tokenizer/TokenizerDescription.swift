/// A byte-level BPE tokenizer as data, whichever file described it.
public struct TokenizerDescription: Sendable {
  /// How text is cut into pieces before merges are applied within each.
  public enum PreTokenizer: String, Sendable, Hashable, CaseIterable {
    case gpt2 = "gpt-2"
    /// Every digit its own piece, then GPT-2's rule.
    case smollm = "smollm"
    case llama3 = "llama-bpe"
    case qwen2 = "qwen2"
  }

  /// A token found in text before anything else: never cut, never merged.
  public struct AddedToken: Sendable, Hashable {
    public let content: String
    public let id: Int
    /// Left out of decoded text where the caller asks for that.
    public let special: Bool
  }

  /// Token texts in the GPT-2 byte alphabet, by id. Ids the file leaves out are empty.
  public let tokens: [String]
  /// Pairs of token ids, most urgent first, with the id of what they make.
  public let merges: [Merge]
  public let addedTokens: [AddedToken]
  public internal(set) var preTokenizer: PreTokenizer
  /// A piece that is a token as a whole is that token, whatever the merges say (Llama 3).
  public let ignoresMergesForWholeTokens: Bool
  /// Text is brought to Unicode normalisation form C first (Qwen 2's tokenizer.json).
  public internal(set) var normalizesNFC: Bool
  public let addsBeginToken: Bool
  public let beginToken: Int?
  /// Tokens that end a reply.
  public let endTokens: [Int]
  /// The chat template as the file gives it (Jinja), if it has one.
  public let chatTemplate: String?

  public struct Merge: Sendable, Hashable {
    public let left: Int32
    public let right: Int32
    public let result: Int32

    public init(left: Int32, right: Int32, result: Int32) {
      self.left = left
      self.right = right
      self.result = result
    }
  }
}

extension TokenizerDescription {
  /// The same vocabulary under other rules: for files that do not say, or say wrongly, how their text was cut.
  public func replacing(preTokenizer: PreTokenizer, normalizesNFC: Bool? = nil) -> TokenizerDescription {
    var copy = self
    copy.preTokenizer = preTokenizer
    copy.normalizesNFC = normalizesNFC ?? self.normalizesNFC
    return copy
  }
}
