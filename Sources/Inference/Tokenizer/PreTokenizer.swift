import ModelFiles

/// Cuts text into the pieces within which merges are applied. The patterns are those of the tokenizers' files, carried out
/// by hand: leftmost alternative first, as a regular expression would.
struct PreTokenizer {
  let kind: TokenizerDescription.PreTokenizer

  /// Calls `body` with the byte range of every piece, in order; together they are all of `text`, which is valid UTF-8.
  func forEachPiece(in text: UnsafeBufferPointer<UInt8>, _ body: (Range<Int>) -> Void) {
    switch kind {
    case .gpt2:
      Self.cut(text, 0..<text.count, by: GPT2Pattern.end, body)
    case .smollm:
      Self.digitsApart(text) { segment in Self.cut(text, segment, by: GPT2Pattern.end, body) }
    case .llama3:
      Self.cut(text, 0..<text.count, by: { CaselessPattern(longestNumber: 3).end($0, $1) }, body)
    case .qwen2:
      Self.cut(text, 0..<text.count, by: { CaselessPattern(longestNumber: 1).end($0, $1) }, body)
    case .llama4:
      Self.cut(text, 0..<text.count, by: CasedPattern.end, body)
    }
  }

  private static func cut(
    _ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, by pattern: (TextScanner, Int) -> Int,
    _ body: (Range<Int>) -> Void
  ) {
    let scanner = TextScanner(text, end: range.upperBound)
    var offset = range.lowerBound
    while offset < range.upperBound {
      let end = pattern(scanner, offset)
      body(offset..<end)
      offset = end
    }
  }

  /// Every number character alone, and what is between them: pieces do not cross, so a space before a digit is not taken
  /// with it.
  private static func digitsApart(_ text: UnsafeBufferPointer<UInt8>, _ body: (Range<Int>) -> Void) {
    let scanner = TextScanner(text, end: text.count)
    var start = 0
    var offset = 0
    while offset < text.count {
      let (found, next) = scanner.character(at: offset)
      if found == .number {
        if start < offset { body(start..<offset) }
        body(offset..<next)
        start = next
      }
      offset = next
    }
    if start < text.count { body(start..<text.count) }
  }
}

/// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
enum GPT2Pattern {
  static func end(_ text: TextScanner, _ start: Int) -> Int {
    if let end = contraction(text, start) { return end }
    let body = text.bytes[start] == UInt8(ascii: " ") ? start + 1 : start
    let first = text.character(at: body).class
    guard first != .end, !first.isSpace else { return text.spaces(from: start) }
    return text.run(from: body) { $0 == first }.end
  }

  private static func contraction(_ text: TextScanner, _ start: Int) -> Int? {
    guard text.bytes[start] == UInt8(ascii: "'"), start + 1 < text.end else { return nil }
    switch text.bytes[start + 1] {
    case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"): return start + 2
    case UInt8(ascii: "r"), UInt8(ascii: "v"): return follows(text, start + 2, UInt8(ascii: "e"))
    case UInt8(ascii: "l"): return follows(text, start + 2, UInt8(ascii: "l"))
    default: return nil
    }
  }

  private static func follows(_ text: TextScanner, _ offset: Int, _ byte: UInt8) -> Int? {
    offset < text.end && text.bytes[offset] == byte ? offset + 1 : nil
  }
}

/// `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,n}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
struct CaselessPattern {
  /// n above: 3 for Llama 3, 1 for Qwen 2.
  let longestNumber: Int

  func end(_ text: TextScanner, _ start: Int) -> Int {
    if let end = contraction(text, start) { return end }
    let (first, next) = text.character(at: start)
    switch first {
    case .letter:
      return text.run(from: next) { $0 == .letter }.end
    case .number:
      return text.run(from: start, limit: longestNumber) { $0 == .number }.end
    case .space, .other:
      if text.character(at: next).class == .letter { return text.run(from: next) { $0 == .letter }.end }
      return first == .other ? symbols(text, start) : spaceOrSymbols(text, start)
    case .newline, .end:
      return spaces(text, start)
    }
  }

  private func spaceOrSymbols(_ text: TextScanner, _ start: Int) -> Int {
    if text.bytes[start] == UInt8(ascii: " "), text.character(at: start + 1).class == .other {
      return symbols(text, start + 1)
    }
    return spaces(text, start)
  }

  private func symbols(_ text: TextScanner, _ start: Int) -> Int {
    let end = text.run(from: start) { $0 == .other }.end
    return text.run(from: end) { $0 == .newline }.end
  }

  /// `\s*[\r\n]+` reaches to the last newline of a run of spaces; without one, the usual rule.
  func spaces(_ text: TextScanner, _ start: Int) -> Int {
    var offset = start
    var afterNewline: Int?
    while true {
      let (found, next) = text.character(at: offset)
      guard found.isSpace else { return afterNewline ?? text.spaces(from: start) }
      if found == .newline { afterNewline = next }
      offset = next
    }
  }

  func contraction(_ text: TextScanner, _ start: Int) -> Int? {
    guard text.bytes[start] == UInt8(ascii: "'"), start + 1 < text.end else { return nil }
    let (first, next) = text.scalar(at: start + 1)
    switch first {
    // The long s is an s where case does not count.
    case "s", "S", "\u{17F}", "t", "T", "m", "M", "d", "D": return next
    case "r", "R", "v", "V": return follows(text, next, "eE")
    case "l", "L": return follows(text, next, "lL")
    default: return nil
    }
  }

  private func follows(_ text: TextScanner, _ offset: Int, _ letters: StaticString) -> Int? {
    guard offset < text.end else { return nil }
    let byte = text.bytes[offset]
    return byte == letters.utf8Start[0] || byte == letters.utf8Start[1] ? offset + 1 : nil
  }
}
