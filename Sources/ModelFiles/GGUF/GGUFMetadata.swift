/// The key-value part of a GGUF file. Absent keys are nil; keys of the wrong type are errors that name the key.
struct GGUFMetadata: Sendable {
  private let values: [String: GGUFValue]
  let file: MappedFile
  var path: String { file.path }

  init(reading reader: inout ByteReader, count: Int, file: MappedFile) throws(ModelFileError) {
    var values: [String: GGUFValue] = [:]
    for _ in 0..<count {
      let key = try reader.string(limit: GGUFLimit.keyBytes, "a metadata key")
      let type = try reader.ggufType(key)
      let value = try reader.ggufValue(type, key)
      guard values.updateValue(value, forKey: key) == nil else {
        throw .malformed(path: reader.path, what: "key \(key) is there twice")
      }
    }
    self.values = values
    self.file = file
  }

  func has(_ key: String) -> Bool { values[key] != nil }

  func integer(_ key: String) throws(ModelFileError) -> Int? {
    guard let value = values[key] else { return nil }
    let integer: Int? =
      switch value {
      case .unsigned(let number): Int(exactly: number)
      case .signed(let number): Int(exactly: number)
      default: nil
      }
    guard let integer else { throw mismatch(key, value, "an integer") }
    return integer
  }

  func number(_ key: String) throws(ModelFileError) -> Double? {
    guard let value = values[key] else { return nil }
    switch value {
    case .float(let number): return number
    case .unsigned(let number): return Double(number)
    case .signed(let number): return Double(number)
    default: throw mismatch(key, value, "a number")
    }
  }

  func bool(_ key: String) throws(ModelFileError) -> Bool? {
    guard let value = values[key] else { return nil }
    guard case .bool(let flag) = value else { throw mismatch(key, value, "true or false") }
    return flag
  }

  func string(_ key: String) throws(ModelFileError) -> String? {
    guard let value = values[key] else { return nil }
    guard case .string(let text) = value else { throw mismatch(key, value, "a string") }
    return text
  }

  func strings(_ key: String) throws(ModelFileError) -> [String]? {
    guard let array = try array(key) else { return nil }
    guard array.elementType == .string else { throw mismatch(key, .array(array), "an array of strings") }
    defer { withExtendedLifetime(file) {} }
    var reader = ByteReader(file.buffer, path: path, offset: array.offset)
    var all: [String] = []
    all.reserveCapacity(array.count)
    for _ in 0..<array.count { all.append(try reader.string(limit: GGUFLimit.stringBytes, key)) }
    return all
  }

  func integers(_ key: String) throws(ModelFileError) -> [Int]? {
    guard let array = try array(key) else { return nil }
    defer { withExtendedLifetime(file) {} }
    var reader = ByteReader(file.buffer, path: path, offset: array.offset)
    var all: [Int] = []
    all.reserveCapacity(array.count)
    for _ in 0..<array.count {
      guard array.elementType != .array else { throw mismatch(key, .array(array), "an array of integers") }
      switch try reader.ggufValue(array.elementType, key) {
      case .unsigned(let number) where number <= UInt64(Int.max): all.append(Int(number))
      case .signed(let number): all.append(Int(number))
      default: throw mismatch(key, .array(array), "an array of integers")
      }
    }
    return all
  }

  func numbers(_ key: String) throws(ModelFileError) -> [Double]? {
    guard let array = try array(key) else { return nil }
    defer { withExtendedLifetime(file) {} }
    var reader = ByteReader(file.buffer, path: path, offset: array.offset)
    var all: [Double] = []
    all.reserveCapacity(array.count)
    for _ in 0..<array.count {
      guard array.elementType == .float32 || array.elementType == .float64,
        case .float(let number) = try reader.ggufValue(array.elementType, key)
      else { throw mismatch(key, .array(array), "an array of numbers") }
      all.append(number)
    }
    return all
  }

  /// nil where the value is there and no array.
  func boolsIfArray(_ key: String) throws(ModelFileError) -> [Bool]? {
    guard case .array(let array)? = values[key] else { return nil }
    defer { withExtendedLifetime(file) {} }
    var reader = ByteReader(file.buffer, path: path, offset: array.offset)
    var all: [Bool] = []
    for _ in 0..<array.count {
      guard array.elementType == .bool, case .bool(let flag) = try reader.ggufValue(.bool, key) else {
        throw mismatch(key, .array(array), "an array of true and false")
      }
      all.append(flag)
    }
    return all
  }

  /// `general.alignment`, 32 where the file does not say.
  func alignment() throws(ModelFileError) -> Int {
    let alignment = try integer("general.alignment") ?? 32
    guard alignment > 0, alignment <= GGUFLimit.alignment, alignment & (alignment - 1) == 0 else {
      throw .badValue(path: path, key: "general.alignment", found: "\(alignment)", expected: "a power of two")
    }
    return alignment
  }

  private func array(_ key: String) throws(ModelFileError) -> GGUFArray? {
    guard let value = values[key] else { return nil }
    guard case .array(let array) = value else { throw mismatch(key, value, "an array") }
    return array
  }

  private func mismatch(_ key: String, _ value: GGUFValue, _ expected: String) -> ModelFileError {
    .badValue(path: path, key: key, found: value.text, expected: expected)
  }
}
