/// A BPE tokenizer as data, whichever file described it: byte-level, or with the pieces of SentencePiece.
public struct TokenizerDescription: Sendable {
  /// How text is cut into pieces before merges are applied within each.
  public enum PreTokenizer: String, Sendable, Hashable, CaseIterable {
    case gpt2 = "gpt-2"
    /// Every digit its own piece, then GPT-2's rule.
    case smollm = "smollm"
    case llama3 = "llama-bpe"
    /// Qwen 2 and 3.
    case qwen2 = "qwen2"
    /// GPT-4o's, which minds case.
    case llama4 = "llama4"
  }

  /// How a text and the pieces of a SentencePiece vocabulary are spelled: spaces as U+2581, what has no piece as bytes.
  public struct SentencePieceRules: Sendable, Hashable {
    /// What is put before a text, as a space before its first word would be.
    public enum Prefix: Sendable, Hashable {
      case none
      /// Before every run of text between added tokens.
      case everyRun
      /// The same, unless the run begins with a space anyway.
      case everyRunWithoutOne
      /// Before the first run alone, unless it begins with a space anyway.
      case firstRunWithoutOne
    }

    public var prefix: Prefix
    /// Stands for what is neither in the vocabulary nor spelled in bytes; nil: such characters are passed over.
    public var unknownToken: Int?
    /// Decoded text loses the space that the prefix put before it.
    public var stripsLeadingSpace: Bool
    /// Merges into the same token are equally urgent: the leftmost goes first.
    public var mergesByResult: Bool
  }

  /// A token found in text before anything else: never cut, never merged.
  public struct AddedToken: Sendable, Hashable {
    public let content: String
    public let id: Int
    /// Left out of decoded text where the caller asks for that.
    public let special: Bool
  }

  /// Token texts, by id, in the GPT-2 byte alphabet or as SentencePiece spells them. Ids the file leaves out are empty.
  public let tokens: [String]
  /// Pairs of token ids, most urgent first, with the id of what they make.
  public let merges: [Merge]
  public let addedTokens: [AddedToken]
  /// nil: with the pieces of SentencePiece.
  public internal(set) var preTokenizer: PreTokenizer?
  /// nil: byte-level.
  public let sentencePiece: SentencePieceRules?
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

  /// A pair of tokens and what it makes.
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
