extension TokenizerDescription {
  /// The rules of llama.cpp's `LLAMA_VOCAB_TYPE_SPM`.
  static func sentencePiece(
    _ metadata: GGUFMetadata, _ vocabulary: VocabularyBuilder
  ) throws(ModelFileError) -> SentencePieceRules {
    let unknown = try token("tokenizer.ggml.unknown_token_id", metadata, count: vocabulary.tokens.count) ?? 0
    let prefixes = try metadata.bool("tokenizer.ggml.add_space_prefix") ?? true
    return SentencePieceRules(
      prefix: prefixes ? .everyRun : .none, unknownToken: unknown, stripsLeadingSpace: prefixes, mergesByResult: true)
  }

  /// Every way to make a token of two others: the more urgent, the higher the score of what it makes. Tokens found in text
  /// as they stand are no parts.
  static func mergesByScore(
    _ metadata: GGUFMetadata, _ vocabulary: VocabularyBuilder, leavingOut added: [AddedToken]
  ) throws(ModelFileError) -> [Merge] {
    guard let scores = try metadata.numbers("tokenizer.ggml.scores"), scores.count == vocabulary.tokens.count else {
      throw .malformed(
        path: metadata.path, what: "tokenizer.ggml.scores does not have one score for each of the tokens")
    }
    let whole = Set(added.map(\.id))
    func part(_ text: Substring) -> Int32? { vocabulary.id(text).flatMap { whole.contains(Int($0)) ? nil : $0 } }
    let order = vocabulary.tokens.indices.filter { !whole.contains($0) }.sorted {
      scores[$0] != scores[$1] ? scores[$0] > scores[$1] : $0 < $1
    }
    var merges: [Merge] = []
    for id in order {
      let text = vocabulary.tokens[id]
      for cut in text.unicodeScalars.indices.dropFirst() {
        guard let left = part(text[..<cut]), let right = part(text[cut...]) else { continue }
        merges.append(Merge(left: left, right: right, result: Int32(id)))
      }
      guard merges.count <= VocabularyBuilder.maxMerges else {
        throw .absurdSize(path: metadata.path, what: "\(merges.count) merges")
      }
    }
    return merges
  }
}
