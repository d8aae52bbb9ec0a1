/// RFC 8259, strictly, by recursive descent to a bounded depth. Numbers without fraction or exponent that fit are
/// integers. No Foundation: a vocabulary of a quarter million entries is read in a fraction of the time.
struct JSONParser {
  private let bytes: UnsafeRawBufferPointer
  private let path: String
  private var offset = 0
  private var depth = 0

  /// `bytes` must outlive the parser.
  init(_ bytes: UnsafeRawBufferPointer, path: String) {
    self.bytes = bytes
    self.path = path
  }

  mutating func document() throws(ModelFileError) -> JSON {
    let value = try value()
    skipSpace()
    guard offset == bytes.count else { throw fault("more follows the JSON value") }
    return value
  }

  private mutating func value() throws(ModelFileError) -> JSON {
    skipSpace()
    switch try peek() {
    case UInt8(ascii: "{"): return .object(try nested { (p) throws(ModelFileError) in try p.object() })
    case UInt8(ascii: "["): return .array(try nested { (p) throws(ModelFileError) in try p.array() })
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try literal("true", .bool(true))
    case UInt8(ascii: "f"): return try literal("false", .bool(false))
    case UInt8(ascii: "n"): return try literal("null", .null)
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
    case let byte: throw fault("unexpected byte 0x\(String(byte, radix: 16))")
    }
  }

  private mutating func nested<R>(
    _ body: (inout JSONParser) throws(ModelFileError) -> R
  ) throws(ModelFileError) -> R {
    depth += 1
    defer { depth -= 1 }
    guard depth <= JSON.maxDepth else { throw fault("nests more than \(JSON.maxDepth) deep") }
    return try body(&self)
  }

  private mutating func object() throws(ModelFileError) -> JSONObject {
    var object = JSONObject()
    var seen: Set<UTF8Key> = []
    offset += 1
    skipSpace()
    if try peek() == UInt8(ascii: "}") {
      offset += 1
      return object
    }
    while true {
      skipSpace()
      guard try peek() == UInt8(ascii: "\"") else { throw fault("a key is not a string") }
      let key = try string()
      guard seen.insert(UTF8Key(text: key)).inserted else { throw fault("key \"\(key)\" is there twice") }
      skipSpace()
      guard try peek() == UInt8(ascii: ":") else { throw fault("no colon after a key") }
      offset += 1
      object.append(key, try value())
      if try ends(with: UInt8(ascii: "}")) { return object }
    }
  }

  private mutating func array() throws(ModelFileError) -> [JSON] {
    var items: [JSON] = []
    offset += 1
    skipSpace()
    if try peek() == UInt8(ascii: "]") {
      offset += 1
      return items
    }
    while true {
      items.append(try value())
      if try ends(with: UInt8(ascii: "]")) { return items }
    }
  }

  /// Past a comma, or past the closing byte.
  private mutating func ends(with close: UInt8) throws(ModelFileError) -> Bool {
    skipSpace()
    let byte = try peek()
    guard byte == close || byte == UInt8(ascii: ",") else { throw fault("no comma between values") }
    offset += 1
    return byte == close
  }

  private mutating func literal(_ word: StaticString, _ value: JSON) throws(ModelFileError) -> JSON {
    guard bytes.count - offset >= word.utf8CodeUnitCount else { throw truncated }
    for i in 0..<word.utf8CodeUnitCount where bytes[offset + i] != word.utf8Start[i] { throw fault("an unknown word") }
    offset += word.utf8CodeUnitCount
    return value
  }

  private mutating func number() throws(ModelFileError) -> JSON {
    let start = offset
    if bytes[offset] == UInt8(ascii: "-") { offset += 1 }
    let first = offset
    let whole = skipDigits()
    guard whole > 0, whole == 1 || bytes[first] != UInt8(ascii: "0") else { throw fault("a malformed number") }
    var isInteger = true
    if offset < bytes.count, bytes[offset] == UInt8(ascii: ".") {
      isInteger = false
      offset += 1
      guard skipDigits() > 0 else { throw fault("a malformed number") }
    }
    if offset < bytes.count, bytes[offset] | 0x20 == UInt8(ascii: "e") {
      isInteger = false
      offset += 1
      if offset < bytes.count, bytes[offset] == UInt8(ascii: "+") || bytes[offset] == UInt8(ascii: "-") { offset += 1 }
      guard skipDigits() > 0 else { throw fault("a malformed number") }
    }
    let text = String(decoding: bytes[start..<offset], as: UTF8.self)
    if isInteger, let integer = Int(text) { return .integer(integer) }
    guard let number = Double(text) else { throw fault("a malformed number") }
    return .number(number)
  }

  private mutating func skipDigits() -> Int {
    let start = offset
    while offset < bytes.count, bytes[offset] >= UInt8(ascii: "0"), bytes[offset] <= UInt8(ascii: "9") { offset += 1 }
    return offset - start
  }

  private mutating func skipSpace() {
    while offset < bytes.count {
      switch bytes[offset] {
      case 0x20, 0x0A, 0x0D, 0x09: offset += 1
      default: return
      }
    }
  }

  private func peek() throws(ModelFileError) -> UInt8 {
    guard offset < bytes.count else { throw truncated }
    return bytes[offset]
  }

  private var truncated: ModelFileError { .truncated(path: path, what: "its JSON") }

  private func fault(_ what: String) -> ModelFileError {
    .malformed(path: path, what: "JSON, byte \(offset): \(what)")
  }
}

extension JSONParser {
  private mutating func string() throws(ModelFileError) -> String {
    offset += 1
    let start = offset
    while offset < bytes.count, bytes[offset] != UInt8(ascii: "\""), bytes[offset] != UInt8(ascii: "\\") { offset += 1 }
    guard offset < bytes.count else { throw truncated }
    if bytes[offset] == UInt8(ascii: "\"") {
      defer { offset += 1 }
      return try text(UnsafeRawBufferPointer(rebasing: bytes[start..<offset]))
    }
    var unescaped = [UInt8](bytes[start..<offset])
    while try peek() != UInt8(ascii: "\"") {
      if bytes[offset] == UInt8(ascii: "\\") {
        let scalar = try escape()
        unescaped.append(contentsOf: Array(String(Character(scalar)).utf8))
      } else {
        unescaped.append(bytes[offset])
        offset += 1
      }
    }
    offset += 1
    return try text(unescaped)
  }

  private func text(_ raw: some Sequence<UInt8>) throws(ModelFileError) -> String {
    guard let text = String(validating: raw, as: UTF8.self) else { throw fault("a string is not UTF-8") }
    return text
  }

  private mutating func escape() throws(ModelFileError) -> Unicode.Scalar {
    offset += 1
    let byte = try peek()
    offset += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{C}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"):
      let unit = try hexadecimal()
      guard unit & 0xFC00 == 0xD800 else {
        guard let scalar = Unicode.Scalar(unit) else { throw fault("half a surrogate pair") }
        return scalar
      }
      guard bytes.count - offset >= 6, bytes[offset] == UInt8(ascii: "\\"), bytes[offset + 1] == UInt8(ascii: "u")
      else { throw fault("half a surrogate pair") }
      offset += 2
      let low = try hexadecimal()
      guard low & 0xFC00 == 0xDC00 else { throw fault("half a surrogate pair") }
      // Two halves of ten bits above 0x10000 are always a scalar.
      return Unicode.Scalar(0x10000 + (unit & 0x3FF) << 10 + low & 0x3FF)!
    default:
      throw fault("an unknown escape")
    }
  }

  private mutating func hexadecimal() throws(ModelFileError) -> UInt32 {
    guard bytes.count - offset >= 4 else { throw truncated }
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard let digit = Character(Unicode.Scalar(bytes[offset])).hexDigitValue else { throw fault("a malformed \\u") }
      value = value << 4 | UInt32(digit)
      offset += 1
    }
    return value
  }
}
