/// A JSON value. Objects keep the file's order; a key that comes twice is refused when it is parsed.
enum JSON: Sendable {
  case null
  case bool(Bool)
  case integer(Int)
  case number(Double)
  case string(String)
  case array([JSON])
  case object(JSONObject)

  static let maxFileBytes = 64 << 20
  static let maxDepth = 64
}

struct JSONObject: Sendable {
  struct Member: Sendable {
    let key: String
    let value: JSON
  }

  private(set) var members: [Member] = []
  // Linear search serves the handful of keys of a configuration; a vocabulary is only ever walked.
  subscript(key: String) -> JSON? { members.first { $0.key == key }?.value }

  mutating func append(_ key: String, _ value: JSON) { members.append(Member(key: key, value: value)) }
}

extension JSON {
  subscript(key: String) -> JSON? {
    guard case .object(let object) = self else { return nil }
    return object[key]
  }

  /// The value at `key`; null counts as absent, as it does to those who write these files.
  func present(_ key: String) -> JSON? {
    if let value = self[key], !value.isNull { return value }
    return nil
  }

  var isNull: Bool { if case .null = self { true } else { false } }
  var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
  var integer: Int? { if case .integer(let value) = self { value } else { nil } }
  var string: String? { if case .string(let value) = self { value } else { nil } }
  var array: [JSON]? { if case .array(let value) = self { value } else { nil } }
  var object: JSONObject? { if case .object(let value) = self { value } else { nil } }
  var number: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .number(let value): value
    default: nil
    }
  }

  /// For messages.
  var text: String {
    switch self {
    case .null: "null"
    case .bool(let value): "\(value)"
    case .integer(let value): "\(value)"
    case .number(let value): "\(value)"
    case .string(let value): "\"\(value)\""
    case .array(let items): "an array of \(items.count)"
    case .object: "an object"
    }
  }

  /// - Throws: `.missing`, `.unreadable`, `.absurdSize`, `.malformed`, `.truncated`.
  static func file(_ path: String) throws(ModelFileError) -> JSON {
    guard let json = try fileIfPresent(path) else { throw .missing(path: path) }
    return json
  }

  /// Nil where there is no such file.
  static func fileIfPresent(_ path: String) throws(ModelFileError) -> JSON? {
    guard let file = try MappedFile.ifPresent(path: path) else { return nil }
    defer { withExtendedLifetime(file) {} }
    return try parse(file.buffer, path: path)
  }

  static func parse(_ buffer: UnsafeRawBufferPointer, path: String) throws(ModelFileError) -> JSON {
    guard buffer.count <= maxFileBytes else {
      throw .absurdSize(path: path, what: "\(buffer.count) bytes of JSON")
    }
    var parser = JSONParser(buffer, path: path)
    return try parser.document()
  }
}
