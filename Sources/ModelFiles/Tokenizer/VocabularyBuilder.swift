/// Gathers tokens and merges from either kind of file, and checks that they belong together.
struct VocabularyBuilder {
  let path: String
  private(set) var tokens: [String] = []
  private var ids: [UTF8Key: Int32] = [:]

  static let maxTokens = ModelConfig.maxVocab
  static let maxMerges = 1 << 23

  init(path: String) { self.path = path }

  /// Ids may come in any order and leave gaps.
  mutating func add(_ token: String, id: Int) throws(ModelFileError) {
    guard id >= 0, id < Self.maxTokens else {
      throw .badValue(
        path: path, key: "the id of token \(token)", found: "\(id)", expected: "0 to \(Self.maxTokens - 1)")
    }
    if id >= tokens.count { tokens.append(contentsOf: repeatElement("", count: id + 1 - tokens.count)) }
    if tokens[id].utf8.elementsEqual(token.utf8) { return }
    guard tokens[id].isEmpty else {
      throw .malformed(path: path, what: "tokens \(tokens[id]) and \(token) both have id \(id)")
    }
    guard ids.updateValue(Int32(id), forKey: UTF8Key(text: token)) == nil else {
      throw .malformed(path: path, what: "token \(token) is there twice")
    }
    tokens[id] = token
  }

  func id(_ token: some StringProtocol) -> Int32? { ids[UTF8Key(text: String(token))] }

  /// A merge of two tokens into the one spelled as both together.
  func merge(_ left: some StringProtocol, _ right: some StringProtocol) throws(ModelFileError)
    -> TokenizerDescription.Merge
  {
    guard let leftID = id(left), let rightID = id(right), let result = id(String(left) + String(right)) else {
      throw .malformed(path: path, what: "merge \(left) \(right) names what is not in the vocabulary")
    }
    return TokenizerDescription.Merge(left: leftID, right: rightID, result: result)
  }

  /// `left right`, as both files write it: tokens in the byte alphabet hold no space.
  func merge(_ line: String) throws(ModelFileError) -> TokenizerDescription.Merge {
    let bytes = line.utf8
    guard let space = bytes.firstIndex(of: UInt8(ascii: " ")) else {
      throw .malformed(path: path, what: "merge \(line) is not two tokens")
    }
    return try merge(line[..<space], line[bytes.index(after: space)...])
  }
}
