import ControlAPI
import ControlClient
import Glibc
import Logging
import Synchronization
import Testing
import TierCore

@testable import ControlServer

@Suite struct ControlServerTests {
  /// Runs `body` against a server on a socket of its own, with a store that remembers.
  private func serving(_ body: @Sendable @escaping (ControlClient, FakeStore) throws -> Void) async throws {
    let scratch = try ScratchDirectory()
    let store = FakeStore()
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    let path = scratch.path + "/control.sock"
    let server = try ControlServer(store: store, socketPath: path, daemonUID: geteuid(), logger: logger)
    let running = Task { try await server.run() }
    let client = ControlClient(socketPath: path, timeoutMs: 5000)
    let result: Result<Void, any Error>
    do {
      try await onThread {
        Self.waitUntilAnswered(client)
        try body(client, store)
      }
      result = .success(())
    } catch {
      result = .failure(error)
    }
    running.cancel()
    _ = await running.result
    #expect(access(path, F_OK) != 0, "the socket is gone")
    withExtendedLifetime(scratch) {}
    try result.get()
  }

  /// Five seconds at most: what follows says what is wrong.
  private static func waitUntilAnswered(_ client: ControlClient) {
    for _ in 0..<500 {
      if (try? client.text(.healthz)) != nil { return }
      usleep(10_000)
    }
  }

  @Test func readsAreAnswered() async throws {
    try await serving { (client, _) throws in
      #expect(try client.get(.status, as: StatusReply.self) == Samples.status)
      #expect(try client.get(.sessions, as: SessionsReply.self) == SessionsReply(sessions: []))
      #expect(try client.text(.healthz) == "ok\n")
      #expect(try PrometheusPage(client.text(.metrics))["tierd_leases"] == 32)
    }
  }

  @Test func theSocketIsForOwnerAndGroup() async throws {
    try await serving { (client, _) throws in
      var info = stat()
      #expect(stat(client.socketPath, &info) == 0)
      #expect(info.st_mode & 0o777 == 0o660)
    }
  }

  @Test func aBlocksQueryArrivesWhole() async throws {
    let cursor = BlockCursor(Samples.key(9, layer: 2, tenant: 5))
    try await serving { (client, store) throws in
      let query = [("tier", "host"), ("layer", "7"), ("key", "ABcd"), ("after", cursor.text), ("limit", "5")]
      _ = try client.get(.blocks, query: query, as: BlocksReply.self)
      let expected = BlocksQuery(tier: .host, layer: 7, key: KeyPrefix("abcd"), after: cursor, limit: 5)
      #expect(store.state.withLock { $0.queries } == [expected])
    }
  }

  @Test(arguments: [
    ("tier", "moon"), ("layer", "-1"), ("layer", "70000"), ("key", "xyz"), ("after", "?"), ("limit", "0"),
    ("limit", "1001"), ("sort", "up"),
  ])
  func aSenselessQueryIsRefusedBeforeTheStore(_ name: String, _ value: String) async throws {
    try await serving { (client, store) throws in
      let error = #expect(throws: ControlClientError.self) {
        try client.get(.blocks, query: [(name, value)], as: BlocksReply.self)
      }
      guard case .refused(400, let message) = error else { return #expect(Bool(false), "\(String(describing: error))") }
      #expect(message.contains(name))
      #expect(store.state.withLock { $0.queries.isEmpty })
    }
  }

  @Test func changesReachTheStore() async throws {
    try await serving { (client, store) throws in
      let set = SetRequest(hostBudgetBytes: 7)
      #expect(try client.post(.set, set, as: SetReply.self).tiers[0].budgetBytes == 7)
      let evict = EvictRequest(what: .key, key: KeyPrefix("ab"), to: .gone)
      #expect(try client.post(.evict, evict, as: EvictReply.self).busyBlocks == 4)
      #expect(store.state.withLock { $0.sets } == [set])
      #expect(store.state.withLock { $0.evicts } == [evict])
    }
  }

  @Test func theStoresRefusalArrivesOnOneLine() async throws {
    try await serving { (client, store) throws in
      store.state.withLock { $0.setFault = .conflict("no device\nhere") }
      let error = #expect(throws: ControlClientError.self) {
        try client.post(.set, SetRequest(deviceBudgetBytes: 1), as: SetReply.self)
      }
      #expect(error == .refused(status: 409, "no device here"))
    }
  }

  @Test func senselessChangesNeverReachTheStore() async throws {
    try await serving { (client, store) throws in
      #expect(throws: ControlClientError.self) { try client.post(.set, SetRequest(), as: SetReply.self) }
      #expect(throws: ControlClientError.self) { try client.post(.set, ["host_budget": 1], as: SetReply.self) }
      #expect(store.state.withLock { $0.sets.isEmpty })
    }
  }

  @Test func wrongMethodsAndPathsAreNamed() async throws {
    try await serving { (client, _) throws in
      let method = #expect(throws: ControlClientError.self) { try client.get(.set, as: SetReply.self) }
      #expect(method == .refused(status: 405, "/v1/set takes POST only"))
      let post = #expect(throws: ControlClientError.self) { try client.post(.status, SetRequest(), as: SetReply.self) }
      #expect(post == .refused(status: 405, "/v1/status takes GET only"))
    }
  }

  @Test func aBodyAboveTheLimitIsRefused() async throws {
    try await serving { (client, store) throws in
      let body = [String(repeating: "x", count: ControlLimits.requestBodyBytes)]
      let error = #expect(throws: ControlClientError.self) { try client.post(.set, body, as: SetReply.self) }
      guard case .refused(413, _) = error else { return #expect(Bool(false), "\(String(describing: error))") }
      #expect(store.state.withLock { $0.sets.isEmpty })
    }
  }

  @Test func aDrainIsAskedInTurnsUntilItIsDone() async throws {
    try await serving { (client, store) throws in
      let reply = try client.post(.drain, DrainRequest(deadlineMs: 5000), as: DrainReply.self)
      #expect(reply.drained)
      #expect(store.state.withLock { $0.drainTurns } == 3)
    }
  }

  @Test func aDrainEndsAtItsDeadline() async throws {
    try await serving { (client, store) throws in
      store.state.withLock { $0.drainedAfterTurns = .max }
      let reply = try client.post(.drain, DrainRequest(deadlineMs: 300), as: DrainReply.self)
      #expect(!reply.drained)
      #expect((300..<3000).contains(reply.elapsedMs))
    }
  }

  @Test func garbageHarmsNobodyElse() async throws {
    try await serving { (client, _) throws in
      for garbage in [
        "\0\0\0\0", "GET /v1/status HTTP/9.9\r\n\r\n", "POST /v1/set HTTP/1.1\r\nContent-Length: x\r\n\r\n",
      ] {
        try RawConnection(client.socketPath).sendAndHangUp(Array(garbage.utf8))
        #expect(try client.text(.healthz) == "ok\n")
      }
    }
  }
}

/// A connection that sends what it likes.
private struct RawConnection {
  let fd: Int32

  init(_ path: String) throws {
    fd = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    let connected = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(fd, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    guard connected == 0 else { throw ScratchDirectory.Failure(errno) }
  }

  func sendAndHangUp(_ bytes: [UInt8]) {
    _ = bytes.withUnsafeBytes { send(fd, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
    close(fd)
  }
}
