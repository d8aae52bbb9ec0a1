import ControlAPI
import ControlClient
import Glibc
import Testing

@Suite struct ControlClientTests {
  /// What `status` throws when the daemon's end sends `bytes` as its whole answer.
  private func fault(answer: String, holdMs: Int = 0, timeoutMs: Int = 2000) async throws -> ControlClientError? {
    let scratch = try ScratchDirectory()
    let listener = try RawListener(scratch.path + "/c.sock")
    async let served: Void = onThread { listener.answerOnce(Array(answer.utf8), holdMs: holdMs) }
    let client = ControlClient(socketPath: listener.path, timeoutMs: timeoutMs)
    let error = try await onThread { () -> ControlClientError? in
      do throws(ControlClientError) {
        _ = try client.get(.status, as: StatusReply.self)
        return nil
      } catch {
        return error
      }
    }
    try await served
    withExtendedLifetime(scratch) {}
    return error
  }

  @Test func nobodyThereSaysHowToStartIt() throws {
    let client = ControlClient(socketPath: "/nonexistent/control.sock")
    let error = #expect(throws: ControlClientError.self) { try client.get(.status, as: StatusReply.self) }
    guard case .unavailable(let message) = error else { return #expect(Bool(false), "\(String(describing: error))") }
    #expect(message.contains("start it"))
  }

  @Test func aStaleSocketIsNobodyThere() throws {
    let scratch = try ScratchDirectory()
    let path = scratch.path + "/c.sock"
    _ = try RawListener(path)
    let error = #expect(throws: ControlClientError.self) {
      try ControlClient(socketPath: path).get(.status, as: StatusReply.self)
    }
    guard case .unavailable = error else { return #expect(Bool(false), "\(String(describing: error))") }
  }

  @Test func aPathTooLongIsToldAndNotCut() {
    let client = ControlClient(socketPath: "/" + String(repeating: "x", count: 200))
    let error = #expect(throws: ControlClientError.self) { try client.get(.status, as: StatusReply.self) }
    #expect(error?.message.contains("201 bytes") == true)
  }

  @Test func errorsOfTheDaemonArePassedOnWithoutControlCharacters() async throws {
    let body = #"{"error":"no\u001b[2J such\nthing"}"#
    let error = try await fault(
      answer: "HTTP/1.1 409 Conflict\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)")
    #expect(error == .refused(status: 409, "no [2J such thing"))
  }

  @Test func anErrorWithoutJSONIsItsStatus() async throws {
    let error = try await fault(answer: "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 4\r\n\r\nhtml")
    #expect(error == .refused(status: 502, "the daemon answered with HTTP status 502"))
  }

  @Test(arguments: [
    "", "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{", "garbage\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n",
  ])
  func whatIsNoAnswerIsMalformed(_ answer: String) async throws {
    let error = try await fault(answer: answer)
    guard case .malformed = error else { return #expect(Bool(false), "\(String(describing: error))") }
  }

  @Test func aSilentDaemonIsGivenUp() async throws {
    let start = ContinuousClock.now
    let error = try await fault(answer: "HTTP/1.1 200 OK\r\n", holdMs: 5000, timeoutMs: 200)
    guard case .timedOut = error else { return #expect(Bool(false), "\(String(describing: error))") }
    #expect(ContinuousClock.now - start < .seconds(4))
  }
}
