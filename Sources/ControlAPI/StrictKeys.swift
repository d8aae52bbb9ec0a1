/// A key as it was read, whatever it is.
private struct AnyKey: CodingKey {
  let stringValue: String
  var intValue: Int? { nil }
  init?(stringValue: String) { self.stringValue = stringValue }
  init?(intValue: Int) { nil }
}

/// A misspelt key must not pass as a key left out: throws `DecodingError` where the object has any key not in `known`.
func refuseUnknownKeys(_ decoder: any Decoder, known: [any CodingKey]) throws {
  let container = try decoder.container(keyedBy: AnyKey.self)
  let names = known.map(\.stringValue)
  guard let unknown = container.allKeys.first(where: { !names.contains($0.stringValue) }) else { return }
  throw DecodingError.dataCorrupted(
    .init(codingPath: [], debugDescription: "there is no key '\(asWritten(unknown))'"))
}

/// The key as JSON has it: decoding turned snake_case into camelCase.
private func asWritten(_ key: any CodingKey) -> String {
  key.stringValue.reduce(into: "") { text, letter in
    text += letter.isUppercase ? "_" + letter.lowercased() : String(letter)
  }
}

extension DecodingError {
  /// One line that names the key.
  public var oneLine: String {
    switch self {
    case .keyNotFound(let key, _): "the key '\(asWritten(key))' is missing"
    case .typeMismatch(_, let context), .valueNotFound(_, let context): Self.line(context)
    case .dataCorrupted(let context): Self.line(context)
    @unknown default: "the JSON cannot be read"
    }
  }

  private static func line(_ context: Context) -> String {
    let path = context.codingPath.map(asWritten).joined(separator: ".")
    let text = context.debugDescription.split(separator: "\n").first.map(String.init) ?? "not valid"
    return path.isEmpty ? text : "'\(path)': \(text)"
  }
}
