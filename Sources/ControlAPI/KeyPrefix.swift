public import TierCore

/// The first hexadecimal digits of a block id, as people copy them from a table.
public struct KeyPrefix: Sendable, Hashable, Codable {
  /// Lower case, `1...64` digits.
  public let text: String

  /// Nil where the text is empty, longer than an id, or not hexadecimal.
  public init?(_ text: String) {
    guard (1...2 * BlockID.sizeBytes).contains(text.utf8.count), text.utf8.allSatisfy({ hexValue($0) != nil })
    else { return nil }
    self.text = text.lowercased()
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    guard let prefix = KeyPrefix(try container.decode(String.self)) else {
      throw DecodingError.dataCorruptedError(
        in: container, debugDescription: "a key is 1 to \(2 * BlockID.sizeBytes) hexadecimal digits")
    }
    self = prefix
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(text)
  }

  public func matches(_ id: BlockID) -> Bool {
    for (i, digit) in text.utf8.enumerated() {
      let word = [id.a, id.b, id.c, id.d][i / 16]
      let nibble = UInt8(truncatingIfNeeded: word >> (60 - 4 * UInt64(i % 16))) & 0xf
      if hexValue(digit) != nibble { return false }
    }
    return true
  }
}

extension BlockID {
  /// 64 lower-case hexadecimal digits.
  public var hexText: String {
    let digits = Array("0123456789abcdef".utf8)
    return String(unsafeUninitializedCapacity: 2 * Self.sizeBytes) { text in
      for (i, byte) in bytes.enumerated() {
        text[2 * i] = digits[Int(byte >> 4)]
        text[2 * i + 1] = digits[Int(byte & 0xf)]
      }
      return 2 * Self.sizeBytes
    }
  }

  /// From exactly 64 hexadecimal digits.
  public init?(hexText: some StringProtocol) {
    let digits = hexText.utf8.compactMap(hexValue)
    guard digits.count == 2 * Self.sizeBytes, hexText.utf8.count == digits.count else { return nil }
    self.init(bytes: stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] })
  }
}

/// The value of one ASCII hexadecimal digit.
private func hexValue(_ digit: UInt8) -> UInt8? {
  switch digit {
  case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
  case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
  case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
  default: nil
  }
}
