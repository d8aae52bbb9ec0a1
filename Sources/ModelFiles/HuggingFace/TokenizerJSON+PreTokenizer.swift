extension TokenizerDescription {
  /// Recognises the pre-tokenizers this program implements by what they consist of, pattern for pattern.
  static func preTokenizer(_ json: JSON, path: String) throws(ModelFileError) -> PreTokenizer {
    guard let root = json.present("pre_tokenizer") else {
      throw .unsupportedTokenizer(path: path, name: "BPE without a pre-tokenizer")
    }
    let steps = root["type"]?.string == "Sequence" ? root["pretokenizers"]?.array ?? [] : [root]
    guard let last = steps.last, last["type"]?.string == "ByteLevel" else {
      throw .unsupportedTokenizer(path: path, name: "pre-tokenizer \(names(steps))")
    }
    guard last["add_prefix_space"]?.bool != true else {
      throw .unsupportedTokenizer(path: path, name: "ByteLevel with add_prefix_space")
    }
    let cutsItself = last["use_regex"]?.bool ?? true
    switch (steps.count, cutsItself) {
    case (1, true):
      return .gpt2
    case (2, true) where steps[0]["type"]?.string == "Digits" && steps[0]["individual_digits"]?.bool == true:
      return .smollm
    case (2, false) where steps[0]["type"]?.string == "Split":
      return try split(steps[0], path: path)
    default:
      throw .unsupportedTokenizer(path: path, name: "pre-tokenizer \(names(steps))")
    }
  }

  private static func split(_ step: JSON, path: String) throws(ModelFileError) -> PreTokenizer {
    let pattern = step["pattern"]?["Regex"]?.string ?? step["pattern"]?["String"]?.string ?? "none"
    guard step["behavior"]?.string == "Isolated", step["invert"]?.bool != true,
      let known = patterns.first(where: { $0.pattern == pattern })
    else { throw .unsupportedTokenizer(path: path, name: "Split by \(pattern)") }
    return known.preTokenizer
  }

  private static func names(_ steps: [JSON]) -> String {
    "[" + steps.map { $0["type"]?.string ?? "unnamed" }.joined(separator: ", ") + "]"
  }

  private static let patterns: [(pattern: String, preTokenizer: PreTokenizer)] = [
    (
      #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#,
      .gpt2
    ),
    (
      #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#,
      .llama3
    ),
    (
      #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#,
      .qwen2
    ),
    (
      #"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"#
        + #"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"#
        + #"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"#,
      .llama4
    ),
  ]
}
