/// The 32-byte identity of a model: SHA-256 over its configuration and its tensors by the rule in docs/protocol.md.
/// Models of one fingerprint compute the same K and V from the same tokens.
public struct ModelFingerprint: Sendable, Hashable {
  public let bytes: [UInt8]

  public static let sizeBytes = 32

  /// Nil unless `bytes` are exactly 32.
  public init?(bytes: some Collection<UInt8>) {
    guard bytes.count == Self.sizeBytes else { return nil }
    self.bytes = Array(bytes)
  }
}

extension ModelFingerprint: CustomStringConvertible {
  /// 64 lowercase hexadecimal digits.
  public var description: String { hexadecimal(bytes) }

  /// From 64 hexadecimal digits; nil for any other text.
  public init?(_ text: some StringProtocol) {
    let digits = Array(text.utf8)
    guard digits.count == 2 * Self.sizeBytes else { return nil }
    var bytes: [UInt8] = []
    for i in stride(from: 0, to: digits.count, by: 2) {
      guard let high = nibble(digits[i]), let low = nibble(digits[i + 1]) else { return nil }
      bytes.append(high << 4 | low)
    }
    self.init(bytes: bytes)
  }
}

func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
  let digits = Array("0123456789abcdef".utf8)
  return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
}

private func nibble(_ digit: UInt8) -> UInt8? {
  switch digit {
  case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
  case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
  case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
  default: nil
  }
}
