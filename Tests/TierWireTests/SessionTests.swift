import CLinux
import Glibc
import Synchronization
import Testing
import TierCore

@testable import TierWire

extension SocketTests {
  @Suite struct SessionTests {
    let directory = SocketDirectory()

    @Test func aSessionAnswersEveryKindOfRequest() throws {
      let host = TrivialHost()
      let store = StoreInstance(high: 1, low: 2)
      let server = try WorkerServer(path: directory.socket, host: host, store: store)
      defer { server.stop() }
      let client = try WorkerClient.connect(path: directory.socket, name: "test\n1")
      #expect(client.store == store && client.blockIDRule == 1 && client.daemonPID == getpid())
      let peer = try #require(host.peers.withLock { $0.first })
      #expect(peer == PeerCredentials(pid: getpid(), uid: getuid(), gid: getgid(), clientName: "test1"))
      let s = SequenceID(9)
      let ids = [BlockID(a: 1, b: 2, c: 3, d: 4)]
      try client.send(.extend(s, blocks: ids))
      #expect(try client.receive(timeoutMs: 5000) == .extended(s, named: 1, cachedBlocks: 0))
      try client.send(.reserve(s, layer: 2, blocks: 3..<5))
      #expect(try client.receive(timeoutMs: 5000) == .reserved(s, layer: 2, first: 3, [.slot(3), .slot(0)]))
      try client.send(.seal(s, layer: 2, blocks: 3..<5))
      #expect(try client.receive(timeoutMs: 5000) == .sealed(s, layer: 2, block: 3, .accepted))
      #expect(try client.statistics().hits == 42)
      #expect(try client.receive(timeoutMs: 0) == .sealed(s, layer: 2, block: 4, .accepted))
      #expect(try client.receive(timeoutMs: 5000) == .durable(s, layer: 2, block: 3))
      #expect(try client.receive(timeoutMs: 5000) == .durable(s, layer: 2, block: 4))
      try client.send(.close(s))
      #expect(try client.receive(timeoutMs: 5000) == .closed(s))
      #expect(try client.receive(timeoutMs: 0) == nil)
      #expect(try client.receive(timeoutMs: 20) == nil)
      client.end()
      client.end()
      #expect(eventually { host.disconnects.load(ordering: .acquiring) == 1 })
      #expect(throws: ResidencyError.unavailable("the session has ended")) { try client.receive(timeoutMs: 0) }
    }

    @Test func repliesFromOtherThreadsKeepTheirOrder() throws {
      let sender = Mutex<SystemThread?>(nil)
      let host = TrivialHost(onRequest: { request, outbox in
        guard case .close = request else { return false }
        let thread = try? SystemThread.start("test") {
          for block in 0..<2000 { outbox.send([.durable(SequenceID(1), layer: 0, block: block)]) }
        }
        sender.withLock { $0 = thread }
        return true
      })
      let server = try WorkerServer(path: directory.socket, host: host)
      defer { server.stop() }
      let client = try WorkerClient.connect(path: directory.socket, name: "test")
      try client.send(.close(SequenceID(1)))
      for block in 0..<2000 {
        #expect(try client.receive(timeoutMs: 5000) == .durable(SequenceID(1), layer: 0, block: block))
      }
      sender.withLock { $0.take() }?.join()
    }

    @Test func aViolationIsToldAndEndsTheSession() throws {
      let violation = Violation.notLeased(layer: 3, block: 4)
      let host = TrivialHost(onRequest: { request, outbox in
        guard case .release = request else { return false }
        outbox.end(violation)
        outbox.end(nil)
        outbox.send([.closed(SequenceID(1))])
        return true
      })
      let server = try WorkerServer(path: directory.socket, host: host)
      defer { server.stop() }
      let client = try WorkerClient.connect(path: directory.socket, name: "test")
      try client.send(.release(SequenceID(1), layer: 3, blocks: 4..<5))
      #expect(try client.receive(timeoutMs: 5000) == .violation(violation))
      #expect(throws: ResidencyError.violated(violation.message)) { try client.receive(timeoutMs: 5000) }
      #expect(eventually { host.disconnects.load(ordering: .acquiring) == 1 })
      #expect(eventually { server.connectionCount == 0 })
    }

    @Test func aSendAfterTheEndTellsWhyItEnded() throws {
      let violation = Violation.heldTooLong(ms: 30_000)
      let host = TrivialHost(onConnect: { $0.end(violation) })
      let server = try WorkerServer(path: directory.socket, host: host)
      defer { server.stop() }
      let client = try WorkerClient.connect(path: directory.socket, name: "test")
      #expect(eventually { server.connectionCount == 0 })
      #expect(throws: ResidencyError.violated(violation.message)) { try client.send(.close(SequenceID(1))) }
    }

    @Test func whatTheSessionSendsWhileConnectingFollowsTheWelcome() throws {
      let host = TrivialHost(onConnect: { $0.send([.queued(SequenceID(5), ahead: 3)]) })
      let server = try WorkerServer(path: directory.socket, host: host)
      defer { server.stop() }
      let client = try WorkerClient.connect(path: directory.socket, name: "test")
      #expect(try client.receive(timeoutMs: 5000) == .queued(SequenceID(5), ahead: 3))
    }

    @Test func aRefusalOfTheHostIsToldToTheWorker() throws {
      let host = TrivialHost(onConnect: { outbox in
        outbox.send([.closed(SequenceID(1))])
        throw ResidencyError.unavailable("draining")
      })
      let server = try WorkerServer(path: directory.socket, host: host)
      defer { server.stop() }
      #expect(throws: ResidencyError.unavailable("draining")) {
        try WorkerClient.connect(path: directory.socket, name: "test")
      }
      #expect(host.disconnects.load(ordering: .acquiring) == 0)
    }

    @Test func aRequestBeyondTheLimitsIsNotSentAndHarmsNothing() throws {
      let host = TrivialHost()
      let server = try WorkerServer(path: directory.socket, host: host)
      defer { server.stop() }
      let client = try WorkerClient.connect(path: directory.socket, name: "test")
      #expect(throws: ResidencyError.self) {
        try client.send(.acquire(SequenceID(1), chunk: 0, layer: 0, blocks: 0..<1025))
      }
      try client.send(.close(SequenceID(1)))
      #expect(try client.receive(timeoutMs: 5000) == .closed(SequenceID(1)))
      #expect(host.handled.load(ordering: .relaxed) == 1)
    }

    @Test func aClientSeesTheServerGo() throws {
      let server = try WorkerServer(path: directory.socket, host: TrivialHost())
      let client = try WorkerClient.connect(path: directory.socket, name: "test")
      let other = try WorkerClient.connect(path: directory.socket, name: "other")
      server.stop()
      server.stop()
      let gone = ResidencyError.unavailable("the daemon closed the connection: it stopped, or restarts")
      #expect(throws: gone) { try client.receive(timeoutMs: 5000) }
      #expect(throws: gone) { try other.send(.close(SequenceID(1))) }
      #expect(throws: gone) { try other.statistics() }
      #expect(throws: ResidencyError.unavailable("no daemon at \(directory.socket): is tierd running?")) {
        try WorkerClient.connect(path: directory.socket, name: "test")
      }
    }

    @Test func stoppingLeavesNothingBehind() throws {
      let before = openDescriptors()
      for _ in 0..<3 {
        let server = try WorkerServer(path: directory.socket, host: TrivialHost())
        let clients = try (0..<4).map { _ in try WorkerClient.connect(path: directory.socket, name: "test") }
        try clients[0].send(.close(SequenceID(1)))
        server.stop()
        #expect(access(directory.socket, F_OK) != 0)
        #expect(server.connectionCount == 0)
      }
      #expect(openDescriptors() == before)
    }
  }
}
