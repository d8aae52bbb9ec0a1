extension TokenizerDescription {
  /// The token a post-processor puts before every text; nil where it adds nothing. Anything else is refused.
  static func beginOfTemplate(_ json: JSON, path: String) throws(ModelFileError) -> String? {
    guard let root = json.present("post_processor") else { return nil }
    let steps = root["type"]?.string == "Sequence" ? root["processors"]?.array ?? [] : [root]
    var begin: String?
    for step in steps {
      switch step["type"]?.string {
      case "ByteLevel":
        continue
      case "TemplateProcessing":
        begin = try beginOfSingle(step, path: path)
      case let other:
        throw .unsupportedTokenizer(path: path, name: "post-processor \(other ?? "unnamed")")
      }
    }
    return begin
  }

  /// `single` is the sequence itself, or one special token before it.
  private static func beginOfSingle(_ step: JSON, path: String) throws(ModelFileError) -> String? {
    let pieces = step["single"]?.array ?? []
    guard let last = pieces.last, last["Sequence"] != nil, pieces.count <= 2 else {
      throw .unsupportedTokenizer(path: path, name: "a template other than [begin] text")
    }
    guard pieces.count == 2 else { return nil }
    guard let begin = pieces[0]["SpecialToken"]?["id"]?.string else {
      throw .unsupportedTokenizer(path: path, name: "a template other than [begin] text")
    }
    return begin
  }

  /// `eos_token_id` of generation_config.json and of config.json: one id or several.
  static func endTokens(directory: String, config: JSON, count: Int) throws(ModelFileError) -> [Int] {
    let path = directory + "/generation_config.json"
    var ends: [Int] = []
    for (source, json) in [(path, try JSON.fileIfPresent(path)), (directory + "/config.json", config)] {
      guard let value = json?.present("eos_token_id") else { continue }
      for item in value.array ?? [value] {
        guard let id = item.integer, id >= 0, id < count else {
          throw .badValue(path: source, key: "eos_token_id", found: item.text, expected: "0 to \(count - 1)")
        }
        if !ends.contains(id) { ends.append(id) }
      }
    }
    return ends
  }

  /// The template of its own file, else that of `tokenizer_config.json`; of several, the one named `default`.
  static func chatTemplate(directory: String) throws(ModelFileError) -> String? {
    if let file = try MappedFile.ifPresent(path: directory + "/chat_template.jinja") {
      defer { withExtendedLifetime(file) {} }
      guard file.buffer.count <= GGUFLimit.stringBytes else {
        throw .absurdSize(path: file.path, what: "a chat template of \(file.buffer.count) bytes")
      }
      return String(decoding: file.buffer, as: UTF8.self)
    }
    let template = try JSON.fileIfPresent(directory + "/tokenizer_config.json")?.present("chat_template")
    if let text = template?.string { return text }
    return template?.array?.first { $0["name"]?.string == "default" }?["template"]?.string
  }
}
