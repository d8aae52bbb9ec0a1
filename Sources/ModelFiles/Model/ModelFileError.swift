/// Why a model cannot be read: one line each, naming the file and what to do about it where that is not plain.
public enum ModelFileError: Error, Hashable, Sendable {
  case missing(path: String)
  /// It was replaced or written to while it was in use.
  case changed(path: String)
  case unreadable(path: String, reason: String)
  case wrongMagic(path: String, expected: String)
  case unsupportedVersion(path: String, found: String)
  case truncated(path: String, what: String)
  case absurdSize(path: String, what: String)
  case malformed(path: String, what: String)
  case missingKey(path: String, key: String)
  case badValue(path: String, key: String, found: String, expected: String)
  case unknownArchitecture(path: String, name: String)
  case unsupportedTensorType(path: String, tensor: String, type: String)
  case unsupportedTokenizer(path: String, name: String)
  /// A feature of the family this program does not compute, by name.
  case unsupportedFeature(path: String, feature: String)
  case missingTensor(path: String, name: String)
  case wrongShape(path: String, name: String, expected: [Int], found: [Int])
}

extension ModelFileError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .missing(let path):
      "\(printable(path)): no such file"
    case .changed(let path):
      "\(printable(path)): the file changed while it was in use: start again"
    case .unreadable(let path, let reason):
      "\(printable(path)): cannot be read: \(printable(reason))"
    case .wrongMagic(let path, let expected):
      "\(printable(path)): not a \(expected) file"
    case .unsupportedVersion(let path, let found):
      "\(printable(path)): \(printable(found)) is not supported"
    case .truncated(let path, let what):
      "\(printable(path)): the file ends inside \(printable(what)): fetch it again"
    case .absurdSize(let path, let what):
      "\(printable(path)): \(printable(what)): the file is damaged"
    case .malformed(let path, let what):
      "\(printable(path)): \(printable(what))"
    case .missingKey(let path, let key):
      "\(printable(path)): has no \(printable(key))"
    case .badValue(let path, let key, let found, let expected):
      "\(printable(path)): \(printable(key)) is \(printable(found)), expected \(expected)"
    case .unknownArchitecture(let path, let name):
      "\(printable(path)): architecture \(printable(name)) is not supported: "
        + "llama, mistral, qwen2, qwen3, gemma2, gemma3 and llama4 are, those that predict text"
    case .unsupportedTensorType(let path, let tensor, let type):
      "\(printable(path)): tensor \(printable(tensor)) is of type \(printable(type)), which is not supported: "
        + "\(StorageType.allCases.map(\.rawValue).joined(separator: ", ")) are"
    case .unsupportedTokenizer(let path, let name):
      "\(printable(path)): tokenizer \(printable(name)) is not supported: only byte-level BPE ("
        + "\(TokenizerDescription.PreTokenizer.allCases.map(\.rawValue).joined(separator: ", "))) "
        + "and BPE with SentencePiece's pieces are"
    case .unsupportedFeature(let path, let feature):
      "\(printable(path)): the model uses \(printable(feature)), which is not supported"
    case .missingTensor(let path, let name):
      "\(printable(path)): has no tensor \(printable(name))"
    case .wrongShape(let path, let name, let expected, let found):
      "\(printable(path)): tensor \(printable(name)) has shape \(found), the configuration says \(expected)"
    }
  }
}

/// Names come from the file and go to a terminal: no control characters, and no more than a line of them.
private func printable(_ text: String) -> String {
  let limit = 300
  var line = ""
  for (count, scalar) in text.unicodeScalars.enumerated() {
    guard count < limit else { return line + "…" }
    switch scalar.properties.generalCategory {
    case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator:
      line += "\\u{\(String(scalar.value, radix: 16))}"
    default:
      line.unicodeScalars.append(scalar)
    }
  }
  return line
}
