/// Text from tokens as they come: a character whose bytes are spread over tokens appears when its last byte does.
/// What is returned, put together, is exactly `Tokenizer.decode` of all tokens.
public struct StreamingDecoder: Sendable {
  private let tokenizer: Tokenizer
  private let skippingSpecial: Bool
  /// The start of a character that may yet be completed: at most 3 bytes.
  private var pending: [UInt8] = []
  /// Nothing has come yet.
  private var isFirst = true

  public init(_ tokenizer: Tokenizer, skippingSpecial: Bool = false) {
    self.tokenizer = tokenizer
    self.skippingSpecial = skippingSpecial
  }

  /// - Throws: `TokenizerError.tokenOutOfRange`.
  public mutating func append(_ token: UInt32) throws(TokenizerError) -> String {
    if skippingSpecial, tokenizer.isSpecial(token) { return "" }
    var bytes = try tokenizer.bytes(of: token)
    if isFirst, let first = bytes.first {
      if tokenizer.stripsLeadingSpace, first == UInt8(ascii: " ") { bytes.removeFirst() }
      isFirst = false
    }
    pending += bytes
    let complete = pending.count - Self.unfinished(pending)
    defer { pending.removeFirst(complete) }
    return String(decoding: pending[..<complete], as: UTF8.self)
  }

  /// What is left at the end: U+FFFD for a character that was never completed.
  public mutating func finish() -> String {
    defer { pending = [] }
    return String(decoding: pending, as: UTF8.self)
  }

  /// How many bytes at the end are a proper prefix of a character (Unicode 16, table 3-7).
  static func unfinished(_ bytes: [UInt8]) -> Int {
    for length in 1...3 where length <= bytes.count {
      let first = bytes[bytes.count - length]
      if first & 0xC0 == 0x80 { continue }
      let needed = first >= 0xF0 && first <= 0xF4 ? 4 : first >= 0xE0 && first < 0xF0 ? 3 : first >= 0xC2 ? 2 : 1
      guard first <= 0xF4, length < needed else { return 0 }
      guard length >= 2 else { return length }
      let second = bytes[bytes.count - length + 1]
      let allowed: ClosedRange<UInt8> =
        switch first {
        case 0xE0: 0xA0...0xBF
        case 0xED: 0x80...0x9F
        case 0xF0: 0x90...0xBF
        case 0xF4: 0x80...0x8F
        default: 0x80...0xBF
        }
      return allowed.contains(second) ? length : 0
    }
    return 0
  }
}
