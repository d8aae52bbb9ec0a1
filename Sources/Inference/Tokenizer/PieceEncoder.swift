import ModelFiles

/// Text to the tokens of a SentencePiece vocabulary: spaces as U+2581, a token for each character, or for each of its bytes
/// where it has none, and then merges over all of it.
struct PieceEncoder: Sendable {
  private let rules: TokenizerDescription.SentencePieceRules
  /// Tokens by their text.
  private let pieces: [[UInt8]: Int32]
  private let byteTokens: [Int32?]
  private let merger: BytePairMerger
  /// Text that is a token as a whole is that token.
  private let prefersWholes: Bool

  /// U+2581 in UTF-8.
  static let space: [UInt8] = [0xE2, 0x96, 0x81]

  init(_ description: TokenizerDescription, _ rules: TokenizerDescription.SentencePieceRules) {
    self.rules = rules
    prefersWholes = description.ignoresMergesForWholeTokens
    var pieces: [[UInt8]: Int32] = [:]
    pieces.reserveCapacity(description.tokens.count)
    for (id, text) in description.tokens.enumerated() where !text.isEmpty { pieces[Array(text.utf8)] = Int32(id) }
    self.pieces = pieces
    byteTokens = (0...255 as ClosedRange<UInt8>).map { pieces[Array(Self.piece(ofByte: $0).utf8)] }
    merger = BytePairMerger(
      merges: description.merges, byteTokens: byteTokens, ranksByResult: rules.mergesByResult)
  }

  /// `<0x0A>`
  private static func piece(ofByte byte: UInt8) -> String {
    let digits = String(byte, radix: 16, uppercase: true)
    return "<0x\(digits.count == 1 ? "0" : "")\(digits)>"
  }

  /// The byte a token spells, if it is one for a byte.
  static func byte(of piece: String) -> UInt8? {
    guard piece.utf8.count == 6, piece.hasPrefix("<0x"), piece.hasSuffix(">") else { return nil }
    return UInt8(piece.dropFirst(3).dropLast(), radix: 16)
  }

  /// Appends the tokens of a run of text between added tokens.
  /// - Parameter isFirst: nothing comes before it.
  func encode(
    _ text: Slice<UnsafeBufferPointer<UInt8>>, isFirst: Bool, scratch: inout BytePairMerger.Scratch,
    into tokens: inout [UInt32]
  ) {
    let spelled = spell(text, isFirst: isFirst)
    if prefersWholes, let whole = pieces[spelled] {
      tokens.append(UInt32(whole))
      return
    }
    merger.encode(initial(spelled), scratch: &scratch, into: &tokens)
  }

  private func spell(_ text: Slice<UnsafeBufferPointer<UInt8>>, isFirst: Bool) -> [UInt8] {
    var spelled: [UInt8] = []
    spelled.reserveCapacity(text.count + 3)
    for byte in text {
      if byte == UInt8(ascii: " ") { spelled += Self.space } else { spelled.append(byte) }
    }
    let prefixes =
      switch rules.prefix {
      case .none: false
      case .everyRun: true
      case .everyRunWithoutOne: !spelled.starts(with: Self.space)
      case .firstRunWithoutOne: isFirst && !spelled.starts(with: Self.space)
      }
    return prefixes ? Self.space + spelled : spelled
  }

  private func initial(_ spelled: [UInt8]) -> [Int32] {
    var tokens: [Int32] = []
    tokens.reserveCapacity(spelled.count)
    var wasUnknown = false
    var start = 0
    while start < spelled.count {
      let first = spelled[start]
      let end = start + (first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4)
      let character = spelled[start..<end]
      start = end
      if let token = pieces[Array(character)] {
        tokens.append(token)
        wasUnknown = false
      } else if character.allSatisfy({ byteTokens[Int($0)] != nil }) {
        for byte in character { tokens.append(byteTokens[Int(byte)]!) }
        wasUnknown = false
      } else if let unknown = rules.unknownToken, !wasUnknown {
        // Neighbours without a token are one unknown.
        tokens.append(Int32(unknown))
        wasUnknown = true
      }
    }
    return tokens
  }
}
