import Testing

@testable import ControlClient

@Suite struct HTTPReplyTests {
  private func parse(_ text: String, atEnd: Bool = false, most: Int = 1000) throws -> HTTPReply? {
    try HTTPReply.parse(Array(text.utf8), atEnd: atEnd, maxBodyBytes: most)
  }

  private static let byLength = "HTTP/1.1 200 OK\r\nContent-Type: x\r\nContent-Length: 5\r\n\r\nhello"
  private static let byChunks =
    "HTTP/1.1 404 Not Found\r\ntransfer-encoding: chunked\r\n\r\n3;a=b\r\nhel\r\n2\r\nlo\r\n0\r\nTrailer: x\r\n\r\n"

  @Test func framedByLengthByChunksAndByTheEnd() throws {
    #expect(try parse(Self.byLength) == HTTPReply(status: 200, body: Array("hello".utf8)))
    #expect(try parse(Self.byChunks) == HTTPReply(status: 404, body: Array("hello".utf8)))
    let open = "HTTP/1.1 200 OK\r\n\r\nhello"
    #expect(try parse(open) == nil)
    #expect(try parse(open, atEnd: true) == HTTPReply(status: 200, body: Array("hello".utf8)))
    #expect(try parse("HTTP/1.1 204 No Content\r\n\r\n") == HTTPReply(status: 204, body: []))
  }

  @Test(arguments: [byLength, byChunks])
  func everyCutIsUnfinishedAndThenAFault(_ text: String) throws {
    for count in 0..<text.utf8.count {
      let bytes = Array(text.utf8.prefix(count))
      #expect(try HTTPReply.parse(bytes, atEnd: false) == nil, "cut at \(count)")
      #expect(throws: HTTPReply.Fault.self, "cut at \(count)") { try HTTPReply.parse(bytes, atEnd: true) }
    }
  }

  @Test(arguments: [
    "HTTP/2 200 OK\r\n\r\n", "HTTP/1.1 abc OK\r\n\r\n", "HTTP/1.1 +20 OK\r\n\r\n", "HTTP/1.1 099 OK\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n\r\n", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffff\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n", "\r\n\r\n",
  ])
  func whatNoByteCanMendIsAFaultAtOnce(_ text: String) {
    #expect(throws: HTTPReply.Fault.self) { try parse(text) }
  }

  @Test func headersTrailersAndBodiesWithoutEndAreFaults() {
    let header = "HTTP/1.1 200 OK\r\n" + String(repeating: "X: y\r\n", count: 4000)
    #expect(throws: HTTPReply.Fault.self) { try parse(header) }
    let trailer =
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + String(repeating: "X: y\r\n", count: 100)
    #expect(throws: HTTPReply.Fault.self) { try parse(trailer) }
    let body = "HTTP/1.1 200 OK\r\n\r\n" + String(repeating: "x", count: 1001)
    #expect(throws: HTTPReply.Fault.self) { try parse(body) }
    let line = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;" + String(repeating: "x", count: 2000)
    #expect(throws: HTTPReply.Fault.self) { try parse(line) }
  }

  @Test func mutatedRepliesNeverGiveMoreThanTheyMay() {
    var random = SeededGenerator(state: 5)
    for _ in 0..<20_000 {
      var bytes = Array((Bool.random(using: &random) ? Self.byLength : Self.byChunks).utf8)
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        bytes[Int.random(in: 0..<bytes.count, using: &random)] = .random(in: 0...255, using: &random)
      }
      let reply = try? HTTPReply.parse(bytes, atEnd: true, maxBodyBytes: 64)
      #expect((reply?.body.count ?? 0) <= 64)
    }
  }
}
