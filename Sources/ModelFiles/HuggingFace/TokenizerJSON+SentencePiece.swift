extension TokenizerDescription {
  /// The rules of a tokenizer with SentencePiece's pieces: spaces become U+2581, by a normalizer or by Metaspace, and text
  /// is not cut. Anything else is refused.
  static func sentencePiece(
    _ json: JSON, _ model: JSON, _ vocabulary: VocabularyBuilder
  ) throws(ModelFileError) -> SentencePieceRules {
    let path = vocabulary.path
    let normalized = try prefixOfNormalizer(json, path: path)
    let cut = try prefixOfPreTokenizer(json, path: path)
    guard normalized == nil || cut == nil || cut == SentencePieceRules.Prefix.none, let prefix = normalized ?? cut
    else {
      throw .unsupportedTokenizer(path: path, name: "BPE with byte_fallback whose spaces are not replaced once")
    }
    var unknown: Int?
    if let name = model.present("unk_token")?.string {
      guard let id = vocabulary.id(name) else { throw .malformed(path: path, what: "\(name) is no token") }
      unknown = Int(id)
    }
    for byte in 0...255 where unknown == nil && vocabulary.id(pieceOfByte(UInt8(byte))) == nil {
      throw .malformed(path: path, what: "there is neither a token for byte \(byte) nor one for what is unknown")
    }
    return SentencePieceRules(
      prefix: prefix, unknownToken: unknown, stripsLeadingSpace: try strips(json, path: path), mergesByResult: false)
  }

  /// How a vocabulary spells a byte.
  static func pieceOfByte(_ byte: UInt8) -> String {
    let digits = String(byte, radix: 16, uppercase: true)
    return "<0x\(digits.count == 1 ? "0" : "")\(digits)>"
  }

  private static let space = "\u{2581}"

  /// nil where no normalizer replaces spaces.
  private static func prefixOfNormalizer(_ json: JSON, path: String) throws(ModelFileError) -> SentencePieceRules
    .Prefix?
  {
    guard let root = json.present("normalizer") else { return nil }
    let steps = root["type"]?.string == "Sequence" ? root["normalizers"]?.array ?? [] : [root]
    var prepends = false
    var replaces = false
    for step in steps {
      switch step["type"]?.string {
      case "Prepend" where step["prepend"]?.string == space && !replaces:
        prepends = true
      case "Replace" where step["pattern"]?["String"]?.string == " " && step["content"]?.string == space:
        replaces = true
      case let other:
        throw .unsupportedTokenizer(path: path, name: "normalizer \(other ?? "unnamed") with byte_fallback")
      }
    }
    guard replaces else { return nil }
    return prepends ? .everyRun : SentencePieceRules.Prefix.none
  }

  /// nil where there is none that replaces spaces.
  private static func prefixOfPreTokenizer(
    _ json: JSON, path: String
  ) throws(ModelFileError) -> SentencePieceRules.Prefix? {
    guard let root = json.present("pre_tokenizer") else { return nil }
    switch root["type"]?.string {
    case "Metaspace" where root["replacement"]?.string == space && root["split"]?.bool == false:
      switch root["prepend_scheme"]?.string ?? (root["add_prefix_space"]?.bool == false ? "never" : "always") {
      case "never": return SentencePieceRules.Prefix.none
      case "always": return .everyRunWithoutOne
      case "first": return .firstRunWithoutOne
      case let other: throw .unsupportedTokenizer(path: path, name: "Metaspace with prepend_scheme \(other)")
      }
    case "Split" where root["pattern"]?["String"]?.string == " ":
      // Gemma's: where it is reached, there is no space left to split at.
      return SentencePieceRules.Prefix.none
    case let other:
      throw .unsupportedTokenizer(path: path, name: "pre-tokenizer \(other ?? "unnamed") with byte_fallback")
    }
  }

  /// Whether decoders take the first space away. U+2581 must become a space, and bytes characters.
  private static func strips(_ json: JSON, path: String) throws(ModelFileError) -> Bool {
    guard let root = json.present("decoder") else { return false }
    let steps = root["type"]?.string == "Sequence" ? root["decoders"]?.array ?? [] : [root]
    var strips = false
    for step in steps {
      switch step["type"]?.string {
      case "Replace" where step["pattern"]?["String"]?.string == space && step["content"]?.string == " ": continue
      case "ByteFallback", "Fuse": continue
      case "Strip" where step["content"]?.string == " " && step["start"]?.integer == 1 && step["stop"]?.integer == 0:
        strips = true
      case "Metaspace": strips = step["prepend_scheme"]?.string != "never"
      case let other:
        throw .unsupportedTokenizer(path: path, name: "decoder \(other ?? "unnamed") with byte_fallback")
      }
    }
    return strips
  }
}
