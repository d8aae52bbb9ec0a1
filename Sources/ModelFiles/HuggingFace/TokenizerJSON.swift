extension TokenizerDescription {
  /// From `tokenizer.json`, and what its neighbours in the directory add: `config.json` and `generation_config.json`
  /// name the tokens that end a reply, `chat_template.jinja` or `tokenizer_config.json` hold the chat template.
  init(directory: String, config: JSON) throws(ModelFileError) {
    let path = directory + "/tokenizer.json"
    let json = try JSON.file(path)
    let model = try Self.checkedModel(json, path: path)
    var vocabulary = VocabularyBuilder(path: path)
    guard let vocab = model["vocab"]?.object else { throw .missingKey(path: path, key: "model.vocab") }
    for member in vocab.members {
      guard let id = member.value.integer else {
        throw .badValue(
          path: path, key: "the id of token \(member.key)", found: member.value.text, expected: "an integer")
      }
      try vocabulary.add(member.key, id: id)
    }
    // Merges speak of the vocabulary proper, so they are read before added tokens join it.
    merges = try Self.merges(model, vocabulary)
    addedTokens = try Self.addedTokens(json, path: path)
    for token in addedTokens { try vocabulary.add(token.content, id: token.id) }
    tokens = vocabulary.tokens
    if model["byte_fallback"]?.bool == true {
      preTokenizer = nil
      sentencePiece = try Self.sentencePiece(json, model, vocabulary)
      normalizesNFC = false
    } else {
      preTokenizer = try Self.preTokenizer(json, path: path)
      sentencePiece = nil
      normalizesNFC = try Self.normalizesNFC(json, path: path)
    }
    ignoresMergesForWholeTokens = model["ignore_merges"]?.bool ?? false
    let begin = try Self.beginOfTemplate(json, path: path)
    addsBeginToken = begin != nil
    beginToken = try begin.map { (name) throws(ModelFileError) in
      guard let id = vocabulary.id(name) else { throw .malformed(path: path, what: "\(name) is no token") }
      return Int(id)
    }
    endTokens = try Self.endTokens(directory: directory, config: config, count: tokens.count)
    chatTemplate = try Self.chatTemplate(directory: directory)
  }

  private static func checkedModel(_ json: JSON, path: String) throws(ModelFileError) -> JSON {
    guard let model = json.present("model") else { throw .missingKey(path: path, key: "model") }
    let type = model.present("type")?.string ?? "unnamed"
    guard type == "BPE" else { throw .unsupportedTokenizer(path: path, name: type) }
    for key in ["dropout", "continuing_subword_prefix", "end_of_word_suffix"] {
      if let value = model.present(key), value.string != "" {
        throw .unsupportedTokenizer(path: path, name: "BPE with \(key)")
      }
    }
    return model
  }

  private static func merges(_ model: JSON, _ vocabulary: VocabularyBuilder) throws(ModelFileError) -> [Merge] {
    guard let list = model["merges"]?.array else { throw .missingKey(path: vocabulary.path, key: "model.merges") }
    var merges: [Merge] = []
    merges.reserveCapacity(list.count)
    for entry in list {
      if let line = entry.string {
        merges.append(try vocabulary.merge(line))
      } else if let pair = entry.array, pair.count == 2, let left = pair[0].string, let right = pair[1].string {
        merges.append(try vocabulary.merge(left, right))
      } else {
        throw .malformed(path: vocabulary.path, what: "merge \(merges.count) is not two tokens")
      }
    }
    return merges
  }

  private static func addedTokens(_ json: JSON, path: String) throws(ModelFileError) -> [AddedToken] {
    var tokens: [AddedToken] = []
    for entry in json.present("added_tokens")?.array ?? [] {
      guard let id = entry["id"]?.integer, let content = entry["content"]?.string, !content.isEmpty else {
        throw .malformed(path: path, what: "added token \(tokens.count) lacks an id or its content")
      }
      for option in ["single_word", "lstrip", "rstrip"] where entry[option]?.bool == true {
        throw .unsupportedTokenizer(path: path, name: "added token \(content) with \(option)")
      }
      // A token sought in text whose spaces were replaced could not be found in the text itself.
      guard entry["normalized"]?.bool != true || !content.contains(" ") else {
        throw .unsupportedTokenizer(path: path, name: "added token \(content) with normalized")
      }
      tokens.append(AddedToken(content: content, id: id, special: entry["special"]?.bool ?? false))
    }
    return tokens
  }

  private static func normalizesNFC(_ json: JSON, path: String) throws(ModelFileError) -> Bool {
    guard let normalizer = json.present("normalizer") else { return false }
    let type = normalizer["type"]?.string ?? "unnamed"
    guard type == "NFC" else { throw .unsupportedTokenizer(path: path, name: "normalizer \(type)") }
    return true
  }
}
