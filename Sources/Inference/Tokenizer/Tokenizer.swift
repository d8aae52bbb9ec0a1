public import ModelFiles

/// BPE: text to token ids and back, as Hugging Face's tokenizers do it.
public struct Tokenizer: Sendable {
  /// What text that spells an added token means.
  public enum AddedTokens: Sendable {
    /// The token: for text that is trusted to carry control tokens.
    case recognized
    /// Its characters: for what users wrote.
    case asText
  }

  public let description: TokenizerDescription
  /// Tokens a text starts with: one or none.
  public let beginTokens: [UInt32]
  /// Tokens that end a reply.
  public let endTokens: Set<UInt32>

  private let method: Method
  private let addedTokens: AddedTokenMatcher
  /// Of these, those that are ordinary text: runs of spaces and newlines, say.
  private let textTokens: AddedTokenMatcher
  private let specialTokens: Set<UInt32>
  /// Pieces that are tokens as a whole, where the tokenizer prefers them to merging.
  private let wholeTokens: [[UInt8]: UInt32]
  /// Bytes of all tokens, one after another; token i ends where i + 1 starts.
  private let tokenBytes: [UInt8]
  private let tokenStarts: [Int]

  private enum Method: Sendable {
    case byteLevel(PreTokenizer, BytePairMerger)
    case pieces(PieceEncoder)
  }

  public init(_ description: TokenizerDescription) {
    self.description = description
    beginTokens = description.addsBeginToken ? description.beginToken.map { [UInt32($0)] } ?? [] : []
    endTokens = Set(description.endTokens.map { UInt32($0) })
    addedTokens = AddedTokenMatcher(description.addedTokens)
    let isByteLevel = description.sentencePiece == nil
    textTokens = AddedTokenMatcher(isByteLevel ? [] : description.addedTokens.filter { !$0.special })
    specialTokens = Set(description.addedTokens.filter(\.special).map { UInt32($0.id) })

    let added = Set(description.addedTokens.map(\.id))
    var byteTokens = [Int32?](repeating: nil, count: 256)
    var wholeTokens: [[UInt8]: UInt32] = [:]
    var tokenBytes: [UInt8] = []
    var tokenStarts = [0]
    for (id, text) in description.tokens.enumerated() {
      let bytes = Self.bytes(of: text, isByteLevel: isByteLevel, isAdded: added.contains(id))
      if isByteLevel, !added.contains(id) {
        if bytes.count == 1 { byteTokens[Int(bytes[0])] = Int32(id) }
        if description.ignoresMergesForWholeTokens { wholeTokens[bytes] = UInt32(id) }
      }
      tokenBytes += bytes
      tokenStarts.append(tokenBytes.count)
    }
    if let rules = description.sentencePiece {
      method = .pieces(PieceEncoder(description, rules))
    } else {
      method = .byteLevel(
        PreTokenizer(kind: description.preTokenizer ?? .gpt2),
        BytePairMerger(merges: description.merges, byteTokens: byteTokens))
    }
    self.wholeTokens = wholeTokens
    self.tokenBytes = tokenBytes
    self.tokenStarts = tokenStarts
  }

  private static func bytes(of text: String, isByteLevel: Bool, isAdded: Bool) -> [UInt8] {
    if isByteLevel {
      // An added token is spelled plainly, and so is any other that leaves the alphabet.
      return (isAdded ? nil : ByteAlphabet.bytes(of: text)) ?? Array(text.utf8)
    }
    if let byte = PieceEncoder.byte(of: text) { return [byte] }
    return Array(text.utf8).replacing(PieceEncoder.space, with: [UInt8(ascii: " ")])
  }

  /// Decoded text loses a space at its beginning.
  var stripsLeadingSpace: Bool { description.sentencePiece?.stripsLeadingSpace ?? false }

  public var tokenCount: Int { tokenStarts.count - 1 }

  /// The id of an added token, e.g. `<|im_end|>`.
  public func addedToken(_ content: String) -> UInt32? {
    description.addedTokens.first { $0.content == content }.map { UInt32($0.id) }
  }

  public func isSpecial(_ token: UInt32) -> Bool { specialTokens.contains(token) }

  /// The bytes `token` stands for, which need not be whole characters.
  /// - Throws: `TokenizerError.tokenOutOfRange`.
  public func bytes(of token: UInt32) throws(TokenizerError) -> ArraySlice<UInt8> {
    guard token < tokenCount else { throw .tokenOutOfRange(token: token, count: tokenCount) }
    return tokenBytes[tokenStarts[Int(token)]..<tokenStarts[Int(token) + 1]]
  }
}

extension Tokenizer {
  /// The tokens of `text`, without `beginTokens`.
  /// - Parameter isContinuing: tokens come before it: what only the beginning of a text gets, it does not.
  public func encode(
    _ text: String, addedTokens rule: AddedTokens = .recognized, isContinuing: Bool = false
  ) -> [UInt32] {
    var tokens: [UInt32] = []
    var scratch = BytePairMerger.Scratch()
    var text = text
    text.withUTF8 { bytes in
      var start = 0
      let matcher = rule == .recognized ? addedTokens : textTokens
      while let (range, id) = matcher.first(in: bytes, from: start) {
        let isFirst = start == 0 && !isContinuing
        encodePlain(bytes[start..<range.lowerBound], isFirst: isFirst, scratch: &scratch, into: &tokens)
        tokens.append(id)
        start = range.upperBound
      }
      encodePlain(bytes[start...], isFirst: start == 0 && !isContinuing, scratch: &scratch, into: &tokens)
    }
    return tokens
  }

  /// Text between added tokens, which is cut as if there were nothing around it.
  private func encodePlain(
    _ text: Slice<UnsafeBufferPointer<UInt8>>, isFirst: Bool, scratch: inout BytePairMerger.Scratch,
    into tokens: inout [UInt32]
  ) {
    guard !text.isEmpty else { return }
    if case .pieces(let encoder) = method {
      encoder.encode(text, isFirst: isFirst, scratch: &scratch, into: &tokens)
    } else if description.normalizesNFC, text.contains(where: { $0 >= 0x80 }) {
      var normal = String(decoding: text, as: UTF8.self).normalizedToFormC
      normal.withUTF8 { encodePieces($0, scratch: &scratch, into: &tokens) }
    } else {
      encodePieces(UnsafeBufferPointer(rebasing: text), scratch: &scratch, into: &tokens)
    }
  }

  private func encodePieces(
    _ text: UnsafeBufferPointer<UInt8>, scratch: inout BytePairMerger.Scratch, into tokens: inout [UInt32]
  ) {
    guard case .byteLevel(let preTokenizer, let merger) = method else { return }
    preTokenizer.forEachPiece(in: text) { range in
      let piece = UnsafeBufferPointer(rebasing: text[range])
      if description.ignoresMergesForWholeTokens, let token = wholeTokens[Array(piece)] {
        tokens.append(token)
      } else {
        merger.encode(piece, scratch: &scratch, into: &tokens)
      }
    }
  }

  /// The text of `tokens`. Bytes that are no UTF-8 become U+FFFD.
  /// - Throws: `TokenizerError.tokenOutOfRange`.
  public func decode(_ tokens: some Sequence<UInt32>, skippingSpecial: Bool = false) throws(TokenizerError) -> String {
    var bytes: [UInt8] = []
    for token in tokens where !(skippingSpecial && isSpecial(token)) { bytes += try self.bytes(of: token) }
    if stripsLeadingSpace, bytes.first == UInt8(ascii: " ") { bytes.removeFirst() }
    return String(decoding: bytes, as: UTF8.self)
  }
}

/// Why tokens cannot be made or read.
public enum TokenizerError: Error, Hashable, Sendable, CustomStringConvertible {
  case tokenOutOfRange(token: UInt32, count: Int)
  case noChatTemplate
  /// How the template begins.
  case unsupportedChatTemplate(beginning: String)
  case unsupportedTurn(String, style: String)

  public var description: String {
    switch self {
    case .tokenOutOfRange(let token, let count):
      "token \(token) is out of range: the vocabulary has \(count) tokens, 0 to \(count - 1)"
    case .noChatTemplate:
      "the model has no chat template: give it plain text"
    case .unsupportedChatTemplate(let beginning):
      "the model's chat template is none of \(ChatTemplate.Style.allCases.map(\.rawValue).joined(separator: ", ")) "
        + "(it begins with \(beginning.debugDescription)): give it plain text"
    case .unsupportedTurn(let turn, let style):
      "the model's chat template (\(style)) has no place for a turn of \(turn)"
    }
  }
}
