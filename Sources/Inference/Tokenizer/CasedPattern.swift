/// GPT-4o's pattern, which Llama 4 has too. With U for `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`, L for `[\p{Ll}\p{Lm}\p{Lo}\p{M}]`
/// and C for `(?i:'s|'t|'re|'ve|'m|'ll|'d)`:
///
/// `[^\r\n\p{L}\p{N}]?U*L+C?|[^\r\n\p{L}\p{N}]?U+L*C?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`
enum CasedPattern {
  static func end(_ text: TextScanner, _ start: Int) -> Int {
    let (first, next) = text.character(at: start)
    // What may stand before a word is taken first; a mark may also begin one.
    let mayLead = first == .space || first == .other
    for isEndingLower in [true, false] {
      if mayLead, let end = word(text, next, isEndingLower) { return end }
      if let end = word(text, start, isEndingLower) { return end }
    }
    switch first {
    case .number: return text.run(from: start, limit: 3) { $0 == .number }.end
    case .other: return symbols(text, start)
    case .space where text.bytes[start] == UInt8(ascii: " ") && text.character(at: next).class == .other:
      return symbols(text, next)
    default: return CaselessPattern(longestNumber: 3).spaces(text, start)
    }
  }

  /// `U*L+C?`, or else `U+L*C?`.
  private static func word(_ text: TextScanner, _ start: Int, _ isEndingLower: Bool) -> Int? {
    var upperEnd = start
    // Where L+ may begin at the latest: what U* took too much of, it gives back.
    var lowerStart: Int?
    while true {
      let (found, next) = text.letterCase(at: upperEnd)
      guard found == .upper || found == .either else {
        if found == .lower { lowerStart = upperEnd }
        break
      }
      if found == .either { lowerStart = upperEnd }
      upperEnd = next
    }
    if isEndingLower {
      guard let lowerStart else { return nil }
      return withContraction(text, lowers(text, lowerStart))
    }
    return upperEnd > start ? withContraction(text, lowers(text, upperEnd)) : nil
  }

  private static func lowers(_ text: TextScanner, _ start: Int) -> Int {
    var end = start
    while true {
      let (found, next) = text.letterCase(at: end)
      guard found == .lower || found == .either else { return end }
      end = next
    }
  }

  private static func withContraction(_ text: TextScanner, _ end: Int) -> Int {
    guard end < text.end else { return end }
    return CaselessPattern(longestNumber: 3).contraction(text, end) ?? end
  }

  private static func symbols(_ text: TextScanner, _ start: Int) -> Int {
    var end = text.run(from: start) { $0 == .other }.end
    while end < text.end, "\r\n/".utf8.contains(text.bytes[end]) { end += 1 }
    return end
  }
}
