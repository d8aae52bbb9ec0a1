/// A string compared by its bytes: canonically equivalent spellings are different tokens, and different keys.
struct UTF8Key: Hashable {
  let text: String

  static func == (a: UTF8Key, b: UTF8Key) -> Bool { a.text.utf8.elementsEqual(b.text.utf8) }

  func hash(into hasher: inout Hasher) {
    var text = text
    text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
  }
}
