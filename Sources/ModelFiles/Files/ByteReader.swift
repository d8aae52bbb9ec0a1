/// Reads little-endian values one after another, each checked against what is left. `what` names the thing being read,
/// for the error.
struct ByteReader {
  let buffer: UnsafeRawBufferPointer
  let path: String
  private(set) var offset: Int

  /// `buffer` must outlive the reader.
  init(_ buffer: UnsafeRawBufferPointer, path: String, offset: Int = 0) {
    precondition(offset >= 0 && offset <= buffer.count)
    self.buffer = buffer
    self.path = path
    self.offset = offset
  }

  var remaining: Int { buffer.count - offset }

  mutating func integer<T: FixedWidthInteger & BitwiseCopyable>(
    _ type: T.Type, _ what: String
  ) throws(ModelFileError) -> T {
    let size = MemoryLayout<T>.size
    guard size <= remaining else { throw .truncated(path: path, what: what) }
    defer { offset += size }
    return T(littleEndian: buffer.loadUnaligned(fromByteOffset: offset, as: T.self))
  }

  /// Skips `count` bytes and says where they were.
  mutating func skip(_ count: Int, _ what: String) throws(ModelFileError) -> Range<Int> {
    guard count >= 0, count <= remaining else { throw .truncated(path: path, what: what) }
    defer { offset += count }
    return offset..<offset + count
  }

  /// A count of things that take at least `itemBytes` each: more than the rest of the file can hold is refused here,
  /// before anything is sized by it.
  mutating func count(itemBytes: Int, limit: Int, _ what: String) throws(ModelFileError) -> Int {
    let count = try integer(UInt64.self, what)
    guard count <= UInt64(limit) else { throw .absurdSize(path: path, what: "\(count) \(what)") }
    guard Int(count) <= remaining / itemBytes else { throw .truncated(path: path, what: "\(count) \(what)") }
    return Int(count)
  }

  /// A length in 64 bits, then as many bytes of UTF-8.
  mutating func string(limit: Int, _ what: String) throws(ModelFileError) -> String {
    let length = try integer(UInt64.self, what)
    guard length <= UInt64(limit) else { throw .absurdSize(path: path, what: "\(what) of \(length) bytes") }
    let range = try skip(Int(length), what)
    guard let text = String(validating: UnsafeRawBufferPointer(rebasing: buffer[range]), as: UTF8.self) else {
      throw .malformed(path: path, what: "\(what) is not UTF-8")
    }
    return text
  }
}
