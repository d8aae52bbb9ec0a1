/// The chunked transfer coding (RFC 9112, section 7.1).
enum HTTPChunks {
  private static let maxLineBytes = 1024
  private static let maxTrailerLines = 64

  /// The body when its last chunk and the trailer are there; nil while more is to come.
  static func decode(_ bytes: ArraySlice<UInt8>, maxBodyBytes: Int) throws(HTTPReply.Fault) -> [UInt8]? {
    var body: [UInt8] = []
    var rest = bytes
    while true {
      guard let line = try takeLine(&rest) else { return nil }
      let size = try chunkSize(line)
      if size == 0 { return try takeTrailer(&rest) ? body : nil }
      guard size <= maxBodyBytes - body.count else { throw HTTPReply.Fault("its body is too large") }
      guard rest.count >= size + 2 else { return nil }
      body += rest.prefix(size)
      rest = rest.dropFirst(size)
      guard rest.first == 13, rest.dropFirst().first == 10 else { throw HTTPReply.Fault("a chunk does not end") }
      rest = rest.dropFirst(2)
    }
  }

  /// Hexadecimal, extensions after `;` ignored.
  private static func chunkSize(_ line: ArraySlice<UInt8>) throws(HTTPReply.Fault) -> Int {
    let digits = line.prefix { $0 != UInt8(ascii: ";") }
    let text = String(decoding: digits, as: UTF8.self)
    guard (1...8).contains(digits.count), !text.hasPrefix("+"), !text.hasPrefix("-"), let size = Int(text, radix: 16)
    else { throw HTTPReply.Fault("a chunk has no size") }
    return size
  }

  /// True when the empty line that ends everything came.
  private static func takeTrailer(_ rest: inout ArraySlice<UInt8>) throws(HTTPReply.Fault) -> Bool {
    for _ in 0..<maxTrailerLines {
      guard let line = try takeLine(&rest) else { return false }
      if line.isEmpty { return true }
    }
    throw HTTPReply.Fault("its trailer does not end")
  }

  /// The next line without its CRLF; nil while it is incomplete.
  private static func takeLine(_ rest: inout ArraySlice<UInt8>) throws(HTTPReply.Fault) -> ArraySlice<UInt8>? {
    guard let end = rest.prefix(maxLineBytes).firstIndex(of: 10) else {
      if rest.count >= maxLineBytes { throw HTTPReply.Fault("a chunk's line does not end") }
      return nil
    }
    guard end > rest.startIndex, rest[end - 1] == 13 else { throw HTTPReply.Fault("a chunk's line does not end") }
    let line = rest[rest.startIndex..<(end - 1)]
    rest = rest[(end + 1)...]
    return line
  }
}
