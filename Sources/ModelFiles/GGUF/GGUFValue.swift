/// The types of a GGUF metadata value, by the code in the file.
enum GGUFValueType: UInt32 {
  case uint8 = 0
  case int8 = 1
  case uint16 = 2
  case int16 = 3
  case uint32 = 4
  case int32 = 5
  case float32 = 6
  case bool = 7
  case string = 8
  case array = 9
  case uint64 = 10
  case int64 = 11
  case float64 = 12

  /// The least bytes one value takes in the file.
  var leastBytes: Int {
    switch self {
    case .uint8, .int8, .bool: 1
    case .uint16, .int16: 2
    case .uint32, .int32, .float32: 4
    case .uint64, .int64, .float64, .string: 8
    case .array: 4 + 8
    }
  }
}

enum GGUFValue {
  case unsigned(UInt64)
  case signed(Int64)
  case float(Double)
  case bool(Bool)
  case string(String)
  case array(GGUFArray)

  /// For messages.
  var text: String {
    switch self {
    case .unsigned(let value): "\(value)"
    case .signed(let value): "\(value)"
    case .float(let value): "\(value)"
    case .bool(let value): "\(value)"
    case .string(let value): "\"\(value)\""
    case .array(let array): "an array of \(array.count)"
    }
  }
}

/// An array left where it lies: a vocabulary is read once, by who wants it.
struct GGUFArray {
  let elementType: GGUFValueType
  let count: Int
  /// Where its first element starts in the file.
  let offset: Int
}

/// Limits on what the format itself does not bound.
enum GGUFLimit {
  static let keyBytes = 65_535
  static let stringBytes = 16 << 20
  static let keys = 1 << 16
  static let tensors = 1 << 17
  static let elements = 1 << 28
  static let dimensions = 4
  static let arrayDepth = 4
  static let alignment = 1 << 20
}

extension ByteReader {
  mutating func ggufType(_ what: String) throws(ModelFileError) -> GGUFValueType {
    let code = try integer(UInt32.self, what)
    guard let type = GGUFValueType(rawValue: code) else {
      throw .malformed(path: path, what: "\(what) has the unknown value type \(code)")
    }
    return type
  }

  mutating func ggufValue(
    _ type: GGUFValueType, _ what: String, depth: Int = 0
  ) throws(ModelFileError) -> GGUFValue {
    switch type {
    case .uint8: return .unsigned(UInt64(try integer(UInt8.self, what)))
    case .int8: return .signed(Int64(try integer(Int8.self, what)))
    case .uint16: return .unsigned(UInt64(try integer(UInt16.self, what)))
    case .int16: return .signed(Int64(try integer(Int16.self, what)))
    case .uint32: return .unsigned(UInt64(try integer(UInt32.self, what)))
    case .int32: return .signed(Int64(try integer(Int32.self, what)))
    case .uint64: return .unsigned(try integer(UInt64.self, what))
    case .int64: return .signed(try integer(Int64.self, what))
    case .float32: return .float(Double(Float(bitPattern: try integer(UInt32.self, what))))
    case .float64: return .float(Double(bitPattern: try integer(UInt64.self, what)))
    case .string: return .string(try string(limit: GGUFLimit.stringBytes, what))
    case .array: return .array(try ggufArray(what, depth: depth))
    case .bool:
      let byte = try integer(UInt8.self, what)
      guard byte <= 1 else { throw .malformed(path: path, what: "\(what) is a bool of value \(byte)") }
      return .bool(byte == 1)
    }
  }

  /// Walks an array to its end; every element is checked, none is kept.
  private mutating func ggufArray(_ what: String, depth: Int) throws(ModelFileError) -> GGUFArray {
    guard depth < GGUFLimit.arrayDepth else {
      throw .malformed(path: path, what: "\(what) nests arrays more than \(GGUFLimit.arrayDepth) deep")
    }
    let type = try ggufType(what)
    let count = try count(itemBytes: type.leastBytes, limit: GGUFLimit.elements, "elements of \(what)")
    let start = offset
    switch type {
    case .string:
      for _ in 0..<count {
        let length = try integer(UInt64.self, what)
        guard length <= UInt64(GGUFLimit.stringBytes) else {
          throw .absurdSize(path: path, what: "a string of \(length) bytes in \(what)")
        }
        _ = try skip(Int(length), what)
      }
    case .array:
      for _ in 0..<count { _ = try ggufArray(what, depth: depth + 1) }
    default:
      // Within bounds: `count` has checked the product against what is left.
      _ = try skip(count * type.leastBytes, what)
    }
    return GGUFArray(elementType: type, count: count, offset: start)
  }
}
