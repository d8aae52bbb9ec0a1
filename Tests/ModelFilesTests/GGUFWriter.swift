import Foundation

/// Writes small GGUF files, right or deliberately wrong.
struct GGUFWriter {
  indirect enum Value {
    case uint8(UInt8)
    case int8(Int8)
    case uint16(UInt16)
    case int16(Int16)
    case uint32(UInt32)
    case int32(Int32)
    case uint64(UInt64)
    case int64(Int64)
    case float32(Float)
    case float64(Double)
    case bool(Bool)
    case string(String)
    case strings([String])
    case int32s([Int32])
    case nested([Value])
  }

  struct Tensor {
    var name: String
    /// Innermost first, as the format has it.
    var dimensions: [UInt64]
    var type: UInt32 = 0
    var content: [UInt8]
  }

  var version: UInt32 = 3
  var alignment = 32
  var metadata: [(String, Value)] = []
  var tensors: [Tensor] = []
  /// In place of the true ones.
  var tensorCount: UInt64?
  var keyCount: UInt64?

  func bytes() -> [UInt8] {
    var out = Array("GGUF".utf8)
    out.put(version)
    out.put(tensorCount ?? UInt64(tensors.count))
    out.put(keyCount ?? UInt64(metadata.count))
    for (key, value) in metadata {
      out.put(key)
      out.put(value.code)
      value.put(into: &out)
    }
    var offset = 0
    for tensor in tensors {
      out.put(tensor.name)
      out.put(UInt32(tensor.dimensions.count))
      for dimension in tensor.dimensions { out.put(dimension) }
      out.put(tensor.type)
      out.put(UInt64(offset))
      offset += (tensor.content.count + alignment - 1) / alignment * alignment
    }
    for tensor in tensors {
      while out.count % alignment != 0 { out.append(0) }
      out += tensor.content
    }
    return out
  }

  mutating func set(_ key: String, _ value: Value?) {
    metadata.removeAll { $0.0 == key }
    if let value { metadata.append((key, value)) }
  }
}

extension GGUFWriter.Value {
  var code: UInt32 {
    switch self {
    case .uint8: 0
    case .int8: 1
    case .uint16: 2
    case .int16: 3
    case .uint32: 4
    case .int32: 5
    case .float32: 6
    case .bool: 7
    case .string: 8
    case .strings, .int32s, .nested: 9
    case .uint64: 10
    case .int64: 11
    case .float64: 12
    }
  }

  func put(into out: inout [UInt8]) {
    switch self {
    case .uint8(let value): out.put(value)
    case .int8(let value): out.put(value)
    case .uint16(let value): out.put(value)
    case .int16(let value): out.put(value)
    case .uint32(let value): out.put(value)
    case .int32(let value): out.put(value)
    case .uint64(let value): out.put(value)
    case .int64(let value): out.put(value)
    case .float32(let value): out.put(value.bitPattern)
    case .float64(let value): out.put(value.bitPattern)
    case .bool(let value): out.put(UInt8(value ? 1 : 0))
    case .string(let value): out.put(value)
    case .strings(let values):
      out.put(UInt32(8))
      out.put(UInt64(values.count))
      for value in values { out.put(value) }
    case .int32s(let values):
      out.put(UInt32(5))
      out.put(UInt64(values.count))
      for value in values { out.put(value) }
    case .nested(let values):
      out.put(UInt32(9))
      out.put(UInt64(values.count))
      for value in values { value.put(into: &out) }
    }
  }
}

extension [UInt8] {
  mutating func put<T: FixedWidthInteger>(_ value: T) {
    Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
  }

  mutating func put(_ text: String) {
    put(UInt64(text.utf8.count))
    append(contentsOf: text.utf8)
  }
}
