/// What the patterns of byte-level tokenizers tell apart.
enum CharacterClass: UInt8 {
  /// \p{L}
  case letter
  /// \p{N}
  case number
  /// \r or \n
  case newline
  /// \s otherwise
  case space
  case other
  case end

  var isSpace: Bool { self == .space || self == .newline }

  init(_ scalar: Unicode.Scalar) {
    let properties = scalar.properties
    switch properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: self = .letter
    case .decimalNumber, .letterNumber, .otherNumber: self = .number
    default: self = properties.isWhitespace ? (scalar == "\r" || scalar == "\n" ? .newline : .space) : .other
    }
  }

  static let ascii: [CharacterClass] = (0..<128 as Range<UInt8>).map { CharacterClass(Unicode.Scalar($0)) }
}

/// What the patterns tell apart that mind case.
enum LetterCase {
  /// \p{Lu}\p{Lt}
  case upper
  /// \p{Ll}
  case lower
  /// \p{Lm}\p{Lo}\p{M}: in both sets
  case either
  case none

  init(_ scalar: Unicode.Scalar) {
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .titlecaseLetter: self = .upper
    case .lowercaseLetter: self = .lower
    case .modifierLetter, .otherLetter, .nonspacingMark, .spacingMark, .enclosingMark: self = .either
    default: self = .none
    }
  }
}

/// Reads classes of characters from valid UTF-8, within bounds that stand for the ends of the text.
struct TextScanner {
  let bytes: UnsafeBufferPointer<UInt8>
  let end: Int
  private let ascii = CharacterClass.ascii

  init(_ bytes: UnsafeBufferPointer<UInt8>, end: Int) {
    self.bytes = bytes
    self.end = end
  }

  /// The class at `offset`, and where the next character starts.
  func character(at offset: Int) -> (class: CharacterClass, next: Int) {
    guard offset < end else { return (.end, offset) }
    let first = bytes[offset]
    if first < 0x80 { return (ascii[Int(first)], offset + 1) }
    let (scalar, next) = scalar(at: offset)
    return (CharacterClass(scalar), next)
  }

  /// The case at `offset`, and where the next character starts.
  func letterCase(at offset: Int) -> (case: LetterCase, next: Int) {
    guard offset < end else { return (.none, offset) }
    let (scalar, next) = scalar(at: offset)
    return (LetterCase(scalar), next)
  }

  func scalar(at offset: Int) -> (scalar: Unicode.Scalar, next: Int) {
    let first = UInt32(bytes[offset])
    let length = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4
    var value = length == 1 ? first : first & (0xFF >> UInt32(length + 1))
    for i in 1..<max(length, 1) { value = value << 6 | UInt32(bytes[offset + i] & 0x3F) }
    // The text is a String's UTF-8, which is valid.
    return (Unicode.Scalar(value)!, offset + length)
  }

  /// The end of the run of characters of `wanted` from `offset` on, and how many there are, at most `limit`.
  func run(
    from offset: Int, limit: Int = .max, _ wanted: (CharacterClass) -> Bool
  ) -> (end: Int, count: Int) {
    var offset = offset
    var count = 0
    while count < limit {
      let (found, next) = character(at: offset)
      guard found != .end, wanted(found) else { break }
      offset = next
      count += 1
    }
    return (offset, count)
  }

  /// `\s+(?!\S)|\s+` at a space: the run of spaces, without its last one if something follows that wants it.
  func spaces(from offset: Int) -> Int {
    var last = offset
    var position = offset
    while true {
      let (found, next) = character(at: position)
      guard found.isSpace else { return found == .end || last == offset ? position : last }
      last = position
      position = next
    }
  }
}
