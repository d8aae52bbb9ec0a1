import ModelFiles

/// Finds added tokens in text: leftmost first, the longest of those that start at one place.
struct AddedTokenMatcher: Sendable {
  private struct Entry {
    let bytes: [UInt8]
    let id: UInt32
  }
  /// By first byte, longest first.
  private let entries: [[Entry]]

  init(_ tokens: [TokenizerDescription.AddedToken]) {
    var entries = [[Entry]](repeating: [], count: 256)
    for token in tokens {
      let bytes = Array(token.content.utf8)
      guard let first = bytes.first else { continue }
      entries[Int(first)].append(Entry(bytes: bytes, id: UInt32(token.id)))
    }
    self.entries = entries.map { $0.sorted { $0.bytes.count > $1.bytes.count } }
  }

  /// The first added token at or after `start`.
  func first(in text: UnsafeBufferPointer<UInt8>, from start: Int) -> (range: Range<Int>, id: UInt32)? {
    for offset in start..<text.count {
      for entry in entries[Int(text[offset])] where text.count - offset >= entry.bytes.count {
        let end = offset + entry.bytes.count
        if text[offset..<end].elementsEqual(entry.bytes) { return (offset..<end, entry.id) }
      }
    }
    return nil
  }
}
