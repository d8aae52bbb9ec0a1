import TierTesting

/// Frames of the worker protocol written by hand, from docs/protocol.md alone: the daemon's own codec would refuse to write
/// most of what is sent here.
struct WireBytes {
  private(set) var bytes: [UInt8] = []

  mutating func number(_ field: Int, _ value: UInt64) {
    // proto3 leaves zeros out.
    guard value != 0 else { return }
    varint(UInt64(field << 3))
    varint(value)
  }

  mutating func data(_ field: Int, _ value: [UInt8]) {
    varint(UInt64(field << 3 | 2))
    varint(UInt64(value.count))
    bytes += value
  }

  private mutating func varint(_ value: UInt64) {
    var rest = value
    while rest > 0x7F {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }

  /// A `ClientFrame` with one body.
  static func frame(_ body: Int, _ numbers: [UInt64], data: (field: Int, bytes: [UInt8])? = nil) -> [UInt8] {
    var message = WireBytes()
    for (index, number) in numbers.enumerated() { message.number(index + 1, number) }
    if let data { message.data(data.field, data.bytes) }
    var frame = WireBytes()
    frame.data(body, message.bytes)
    return frame.bytes
  }

  static func hello(_ min: UInt64, _ max: UInt64, _ name: [UInt8]) -> [UInt8] {
    frame(1, [min, max], data: (3, name))
  }

  /// Fields in the order of worker.proto; a bf16 block of 1 head, 32 dimensions and 16 tokens: 2 KiB.
  static func open(_ sequence: UInt64, layers: UInt64, chunk: UInt64, total: UInt64, staging: UInt64, ring: UInt64)
    -> [UInt8]
  {
    frame(2, [sequence, 1, 1, 32, 16, layers, chunk, total, staging, ring])
  }

  static func extend(_ sequence: UInt64, ids: [UInt8]) -> [UInt8] { frame(3, [sequence], data: (2, ids)) }
  static func reserve(_ range: [UInt64]) -> [UInt8] { frame(4, range) }
  static func seal(_ range: [UInt64]) -> [UInt8] { frame(5, range) }
  static func acquire(_ range: [UInt64]) -> [UInt8] { frame(6, range) }
  static func release(_ range: [UInt64]) -> [UInt8] { frame(7, range) }
  static func close(_ sequence: UInt64) -> [UInt8] { frame(8, [sequence]) }
  static let statistics = frame(9, [])
  static let trace = frame(10, [])
}
