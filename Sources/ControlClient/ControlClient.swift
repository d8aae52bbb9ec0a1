public import ControlAPI
import FoundationEssentials

/// Why the daemon did not answer as asked. Each message is one line that says what to do.
public enum ControlClientError: Error, Sendable, Equatable {
  /// Nobody listens, or this user may not connect.
  case unavailable(String)
  /// The daemon is there and did not answer in time.
  case timedOut(String)
  /// The daemon answered with an error; its HTTP status.
  case refused(status: Int, String)
  /// What came is no answer this client understands.
  case malformed(String)

  public var message: String {
    switch self {
    case .unavailable(let text), .timedOut(let text), .refused(_, let text), .malformed(let text): text
    }
  }
}

/// Asks the daemon over its control socket. One connection a request; blocking; every size and time is bounded.
public struct ControlClient: Sendable {
  public let socketPath: String
  /// The most a request may take, from connecting to the last byte.
  public let timeoutMs: Int

  public init(socketPath: String, timeoutMs: Int = 5000) {
    self.socketPath = socketPath
    self.timeoutMs = timeoutMs
  }

  public func get<Reply: Decodable>(
    _ route: ControlRoute, query: [(String, String)] = [], as type: Reply.Type
  ) throws(ControlClientError) -> Reply {
    try decode(type, exchange("GET", route.rawValue + Self.queryText(query), body: nil, timeoutMs))
  }

  /// `extraMs`: how long the daemon may take on purpose, on top of the timeout.
  public func post<Reply: Decodable>(
    _ route: ControlRoute, _ body: some Encodable, as type: Reply.Type, extraMs: Int = 0
  ) throws(ControlClientError) -> Reply {
    let json: Data
    do { json = try ControlJSON.encode(body) } catch { throw .malformed("the request cannot be written: \(error)") }
    return try decode(type, exchange("POST", route.rawValue, body: [UInt8](json), timeoutMs + max(0, extraMs)))
  }

  /// The body as text, for `/metrics`.
  public func text(_ route: ControlRoute) throws(ControlClientError) -> String {
    String(decoding: try exchange("GET", route.rawValue, body: nil, timeoutMs), as: UTF8.self)
  }

  private func exchange(
    _ method: String, _ target: String, body: [UInt8]?, _ timeoutMs: Int
  ) throws(ControlClientError) -> [UInt8] {
    var request = "\(method) \(target) HTTP/1.1\r\nHost: tierd\r\nConnection: close\r\nAccept: */*\r\n"
    if let body { request += "Content-Type: application/json\r\nContent-Length: \(body.count)\r\n" }
    let reply = try UnixHTTPExchange(path: socketPath, timeoutMs: timeoutMs)
      .run(Array((request + "\r\n").utf8) + (body ?? []))
    guard (200...299).contains(reply.status) else {
      let said = try? ControlJSON.decode(ErrorReply.self, from: Data(reply.body)).error
      throw .refused(
        status: reply.status, Self.printable(said ?? "the daemon answered with HTTP status \(reply.status)"))
    }
    return reply.body
  }

  private func decode<Reply: Decodable>(_ type: Reply.Type, _ body: [UInt8]) throws(ControlClientError) -> Reply {
    do {
      return try ControlJSON.decode(type, from: Data(body))
    } catch {
      let why = (error as? DecodingError)?.oneLine ?? "not JSON"
      throw .malformed("the daemon's answer cannot be read (\(why)): are tierctl and tierd of one version?")
    }
  }

  private static func queryText(_ query: [(String, String)]) -> String {
    query.isEmpty ? "" : "?" + query.map { "\(encoded($0.0))=\(encoded($0.1))" }.joined(separator: "&")
  }

  private static func encoded(_ text: String) -> String {
    let digits = Array("0123456789ABCDEF")
    return text.utf8.reduce(into: "") { result, byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"):
        result.append(Character(UnicodeScalar(byte)))
      default: result += "%\(digits[Int(byte >> 4)])\(digits[Int(byte & 0xf)])"
      }
    }
  }

  /// Whoever answers does not get to steer the terminal.
  private static func printable(_ text: String) -> String {
    String(text.unicodeScalars.prefix(500).map { $0.value < 0x20 || $0.value == 0x7f ? " " : Character($0) })
  }
}
