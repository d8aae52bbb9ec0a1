extension TokenizerDescription {
  /// From the `tokenizer.ggml.*` keys.
  init(_ metadata: GGUFMetadata) throws(ModelFileError) {
    let path = metadata.path
    guard let model = try metadata.string("tokenizer.ggml.model") else {
      throw .missingKey(path: path, key: "tokenizer.ggml.model")
    }
    guard model == "gpt2" || model == "llama" else { throw .unsupportedTokenizer(path: path, name: model) }
    let isByteLevel = model == "gpt2"
    preTokenizer = isByteLevel ? try Self.preTokenizer(metadata) : nil
    guard let texts = try metadata.strings("tokenizer.ggml.tokens") else {
      throw .missingKey(path: path, key: "tokenizer.ggml.tokens")
    }
    let types = try metadata.integers("tokenizer.ggml.token_type")
    guard types == nil || types?.count == texts.count else {
      throw .malformed(path: path, what: "\(texts.count) tokens have \(types?.count ?? 0) types")
    }
    var vocabulary = VocabularyBuilder(path: path)
    for (id, text) in texts.enumerated() { try vocabulary.add(text, id: id) }
    tokens = vocabulary.tokens
    addedTokens = texts.indices.compactMap { id in
      let kind = TokenKind(rawValue: types?[id] ?? TokenKind.normal.rawValue)
      guard kind == .control || kind == .userDefined, !texts[id].isEmpty else { return nil }
      return AddedToken(content: texts[id], id: id, special: kind == .control)
    }
    if isByteLevel {
      var merges: [Merge] = []
      for line in try metadata.strings("tokenizer.ggml.merges") ?? [] { merges.append(try vocabulary.merge(line)) }
      self.merges = merges
      sentencePiece = nil
    } else {
      merges = try Self.mergesByScore(metadata, vocabulary, leavingOut: addedTokens)
      sentencePiece = try Self.sentencePiece(metadata, vocabulary)
    }
    // The file does not say; llama.cpp takes both from the name of the pre-tokenizer.
    ignoresMergesForWholeTokens = preTokenizer == .llama3
    normalizesNFC = false
    addsBeginToken = try metadata.bool("tokenizer.ggml.add_bos_token") ?? (preTokenizer == .llama3 || !isByteLevel)
    beginToken = try Self.token("tokenizer.ggml.bos_token_id", metadata, count: tokens.count)
    endTokens = try Self.endTokens(metadata, count: tokens.count)
    chatTemplate = try metadata.string("tokenizer.chat_template")
    guard !addsBeginToken || beginToken != nil else {
      throw .missingKey(path: path, key: "tokenizer.ggml.bos_token_id")
    }
  }

  /// `llama_token_type` in llama.h.
  private enum TokenKind: Int {
    case normal = 1
    case unknown = 2
    case control = 3
    case userDefined = 4
    case unused = 5
    case byte = 6
  }

  private static func preTokenizer(_ metadata: GGUFMetadata) throws(ModelFileError) -> PreTokenizer {
    guard let name = try metadata.string("tokenizer.ggml.pre") else {
      throw .missingKey(path: metadata.path, key: "tokenizer.ggml.pre")
    }
    switch name {
    case "gpt-2", "gpt2": return .gpt2
    case "smollm": return .smollm
    case "llama-bpe", "llama3", "llama-v3": return .llama3
    case "qwen2": return .qwen2
    case "llama4", "gpt-4o": return .llama4
    default: throw .unsupportedTokenizer(path: metadata.path, name: name)
    }
  }

  private static func endTokens(_ metadata: GGUFMetadata, count: Int) throws(ModelFileError) -> [Int] {
    var ends: [Int] = []
    for key in ["tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"] {
      if let id = try token(key, metadata, count: count), !ends.contains(id) { ends.append(id) }
    }
    return ends
  }

  static func token(
    _ key: String, _ metadata: GGUFMetadata, count: Int
  ) throws(ModelFileError) -> Int? {
    guard let id = try metadata.integer(key) else { return nil }
    guard id >= 0, id < count else {
      throw .badValue(path: metadata.path, key: key, found: "\(id)", expected: "0 to \(count - 1)")
    }
    return id
  }
}
