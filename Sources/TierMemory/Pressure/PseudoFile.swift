import Glibc

/// A small file of the kernel's, kept open and read again and again: nothing is allocated for a reading, by us or by the
/// kernel, just when memory is short.
final class PseudoFile {
  let path: String
  private let fd: Int32
  private var buffer = [UInt8](repeating: 0, count: 16 << 10)

  /// Nil where it is not there or not ours to read.
  init?(_ path: String) {
    fd = open(path, O_RDONLY | O_CLOEXEC)
    guard fd >= 0 else { return nil }
    self.path = path
  }

  deinit { close(fd) }

  /// Gives its bytes as of now; nil where they cannot be read any more.
  func read<Result>(_ body: (ArraySlice<UInt8>) -> Result?) -> Result? {
    let count = buffer.withUnsafeMutableBytes { pread(fd, $0.baseAddress, $0.count, 0) }
    return count > 0 ? body(buffer[..<count]) : nil
  }

  /// The one number in it; nil also where it says `max`.
  func number() -> Int? { read { Self.number(in: $0) } }

  /// The number that follows `key`, which begins a line or stands after a space.
  func number(after key: StaticString) -> Int? { read { Self.number(after: key, in: $0) } }

  static func number(after key: StaticString, in text: ArraySlice<UInt8>) -> Int? {
    let key = UnsafeBufferPointer(start: key.utf8Start, count: key.utf8CodeUnitCount)
    var at = text.startIndex
    while text.endIndex - at > key.count {
      let isWordStart = at == text.startIndex || text[at - 1] == UInt8(ascii: "\n") || text[at - 1] == UInt8(ascii: " ")
      if isWordStart, text[at..<at + key.count].elementsEqual(key) { return number(in: text[(at + key.count)...]) }
      at += 1
    }
    return nil
  }

  /// Digits, after spaces; nil where there are none or too many.
  private static func number(in text: ArraySlice<UInt8>) -> Int? {
    var value: Int?
    for byte in text.drop(while: { $0 == UInt8(ascii: " ") }) {
      guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { break }
      let (shifted, overflows) = (value ?? 0).multipliedReportingOverflow(by: 10)
      let (sum, carries) = shifted.addingReportingOverflow(Int(byte - UInt8(ascii: "0")))
      guard !overflows, !carries else { return nil }
      value = sum
    }
    return value
  }
}
