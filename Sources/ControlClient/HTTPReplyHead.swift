/// The status line and what the headers say about the body.
struct HTTPReplyHead: Equatable {
  enum Framing: Equatable {
    case none
    case length(Int)
    case chunked
    case untilClose
  }

  let status: Int
  let framing: Framing

  /// `bytes` end with the empty line.
  init(_ bytes: ArraySlice<UInt8>) throws(HTTPReply.Fault) {
    var lines = String(decoding: bytes, as: UTF8.self).split(separator: "\r\n", omittingEmptySubsequences: true)
    guard !lines.isEmpty else { throw HTTPReply.Fault("it sends no status line") }
    status = try Self.status(lines.removeFirst())
    guard status >= 200 else { throw HTTPReply.Fault("its status \(status) was not asked for") }
    let fields = try Self.fields(lines)
    framing = status == 204 || status == 304 ? .none : try Self.framing(fields)
  }

  private static func status(_ line: Substring) throws(HTTPReply.Fault) -> Int {
    let parts = line.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
    guard parts.count >= 2, parts[0] == "HTTP/1.1" || parts[0] == "HTTP/1.0", parts[1].utf8.count == 3,
      let status = number(parts[1]), (100...599).contains(status)
    else { throw HTTPReply.Fault("its status line is not HTTP/1.1's") }
    return status
  }

  private static func fields(_ lines: [Substring]) throws(HTTPReply.Fault) -> [(name: String, value: String)] {
    var fields: [(String, String)] = []
    for line in lines {
      guard let colon = line.firstIndex(of: ":"), colon != line.startIndex else {
        throw HTTPReply.Fault("a header has no name")
      }
      let value = line[line.index(after: colon)...].drop { $0 == " " || $0 == "\t" }
      let trimmed = value.reversed().drop { $0 == " " || $0 == "\t" }.reversed()
      fields.append((line[..<colon].lowercased(), String(trimmed)))
    }
    return fields
  }

  private static func framing(_ fields: [(name: String, value: String)]) throws(HTTPReply.Fault) -> Framing {
    let lengths = fields.filter { $0.name == "content-length" }
    let codings = fields.filter { $0.name == "transfer-encoding" }
    // Both, or several: two readers would frame the body in two ways.
    guard lengths.count + codings.count <= 1 else { throw HTTPReply.Fault("it frames its body twice") }
    if let coding = codings.first {
      guard coding.value.lowercased() == "chunked" else { throw HTTPReply.Fault("its transfer encoding is unknown") }
      return .chunked
    }
    guard let length = lengths.first else { return .untilClose }
    guard let count = number(length.value) else { throw HTTPReply.Fault("its content length is no number") }
    return .length(count)
  }

  /// Digits only: `Int` alone would take a sign.
  private static func number(_ text: some StringProtocol) -> Int? {
    text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } ? Int(text) : nil
  }
}
