import ControlAPI

/// An HTTP/1.1 reply read from bytes that may be anything (RFC 9112): a status line, headers, and a body framed by
/// Content-Length, by chunks, or by the end of the connection.
struct HTTPReply: Equatable {
  var status: Int
  var body: [UInt8]

  /// What in the bytes is no HTTP reply, in a few words.
  struct Fault: Error, Equatable {
    let reason: String
    init(_ reason: String) { self.reason = reason }
  }

  static let maxHeadBytes = 16 << 10

  /// The reply once all of it is there; nil while more is to come. `atEnd`: no more will come. Throws on what no further
  /// byte can mend, and on a body above `maxBodyBytes`.
  static func parse(
    _ bytes: [UInt8], atEnd: Bool, maxBodyBytes: Int = ControlLimits.replyBytes
  ) throws(Fault) -> HTTPReply? {
    guard let headEnd = endOfHead(bytes) else {
      if bytes.count > maxHeadBytes { throw Fault("its headers do not end") }
      if atEnd { throw Fault(bytes.isEmpty ? "it closed without an answer" : "its headers are cut short") }
      return nil
    }
    guard headEnd <= maxHeadBytes else { throw Fault("its headers do not end") }
    let head = try HTTPReplyHead(bytes[..<headEnd])
    let rest = bytes[headEnd...]
    let body: [UInt8]?
    switch head.framing {
    case .none: body = []
    case .length(let length):
      guard length <= maxBodyBytes else { throw Fault("its body of \(length) bytes is too large") }
      body = rest.count >= length ? Array(rest.prefix(length)) : nil
    case .chunked: body = try HTTPChunks.decode(rest, maxBodyBytes: maxBodyBytes)
    case .untilClose:
      guard rest.count <= maxBodyBytes else { throw Fault("its body is too large") }
      body = atEnd ? Array(rest) : nil
    }
    if let body { return HTTPReply(status: head.status, body: body) }
    if atEnd { throw Fault("its body is cut short") }
    return nil
  }

  /// The index after the empty line, if it came.
  private static func endOfHead(_ bytes: [UInt8]) -> Int? {
    let limit = min(bytes.count, maxHeadBytes + 4)
    guard limit >= 4 else { return nil }
    return (0...(limit - 4)).first {
      bytes[$0] == 13 && bytes[$0 + 1] == 10 && bytes[$0 + 2] == 13 && bytes[$0 + 3] == 10
    }.map { $0 + 4 }
  }
}
