import CLinux
import Glibc
import Synchronization
import Testing
import TierCore

@testable import TierWire

extension SocketTests {
  @Suite struct HostileClientTests {
    let directory = SocketDirectory()

    private func withServer(
      _ host: TrivialHost = TrivialHost(), _ limits: WorkerServer.Limits = .init(),
      _ body: (WorkerServer) throws -> Void
    ) throws {
      let server = try WorkerServer(path: directory.socket, host: host, limits: limits)
      defer { server.stop() }
      // Who is served already must notice nothing of what `body` does.
      let bystander = try WorkerClient.connect(path: directory.socket, name: "bystander")
      try body(server)
      try bystander.send(.close(SequenceID(1)))
      #expect(try bystander.receive(timeoutMs: 5000) == .closed(SequenceID(1)))
    }

    @Test func malformedFramesEndTheirConnectionOnly() throws {
      try withServer { server in
        for frame: [UInt8] in [[0xFF], [0x98, 0x06, 0x01], [UInt8](repeating: 0, count: 1000)] {
          let peer = try RawPeer(path: directory.socket)
          try peer.greet()
          _ = peer.socket.send(frame, wait: true)
          #expect(peer.failure()?.kind == .malformed)
        }
        #expect(eventually { server.connectionCount == 1 })
      }
    }

    @Test func anOversizedFrameEndsItsConnection() throws {
      try withServer { _ in
        let peer = try RawPeer(path: directory.socket)
        try peer.greet()
        _ = peer.socket.send([UInt8](repeating: 0x0A, count: ProtocolLimits.frameBytes + 1), wait: true)
        #expect(peer.failure()?.text == FrameError.tooLarge.message)
      }
    }

    @Test(arguments: [1, 16]) func descriptorsWhereNoneBelongAreClosed(count: Int) throws {
      try withServer { server in
        let before = openDescriptors()
        for greets in [true, false] {
          let peer = try RawPeer(path: directory.socket)
          if greets { try peer.greet() }
          let frame = try ClientMessage.request(.close(SequenceID(1))).frame()
          _ = peer.socket.send(frame, descriptors: Array(repeating: 0, count: count), wait: true)
          #expect(peer.failure()?.kind == .malformed)
          #expect(eventually { server.connectionCount == 1 })
        }
        #expect(eventually { openDescriptors() == before })
      }
    }

    @Test func moreDescriptorsThanThereIsRoomForAreAllClosed() throws {
      var ends: [Int32] = [-1, -1]
      #expect(tierd_socketpair(&ends) == 0)
      let receiver = FrameSocket(owning: ends[1])
      let sender = FrameSocket(owning: ends[0])
      let before = openDescriptors()
      #expect(sender.send([1], descriptors: Array(repeating: 0, count: 17), wait: true) == .failed(errno: EINVAL))
      // The shim refuses to send seventeen: forty-four bytes of control data, by hand, do.
      #expect(sendSeventeen(sender.descriptor))
      #expect(receiver.receive(into: FrameBuffer(), wait: true) == .tooManyDescriptors)
      #expect(openDescriptors() == before)
    }

    /// One byte with seventeen descriptors: a `cmsghdr` is length, level, type, and then the descriptors.
    private func sendSeventeen(_ descriptor: Int32) -> Bool {
      var control = [Int64(16 + 17 * 4), Int64(SOL_SOCKET) | Int64(SCM_RIGHTS) << 32] + [Int64](repeating: 0, count: 9)
      var byte: UInt8 = 1
      return control.withUnsafeMutableBytes { control in
        withUnsafeMutablePointer(to: &byte) { byte in
          var part = iovec(iov_base: byte, iov_len: 1)
          return withUnsafeMutablePointer(to: &part) { part in
            var message = msghdr()
            message.msg_iov = part
            message.msg_iovlen = 1
            message.msg_control = control.baseAddress
            message.msg_controllen = control.count
            return sendmsg(descriptor, &message, 0) == 1
          }
        }
      }
    }

    @Test func versionsNobodySpeaksAreIncompatible() throws {
      try withServer { _ in
        let peer = try RawPeer(path: directory.socket)
        try peer.send(.hello(Hello(minVersion: 4, maxVersion: 9, clientName: "new")))
        #expect(peer.failure()?.kind == .incompatible)
        let spanning = try RawPeer(path: directory.socket)
        try spanning.send(.hello(Hello(minVersion: 1, maxVersion: 9, clientName: "spanning")))
        guard case .message(.welcome(let welcome)) = spanning.next() else {
          Issue.record("no welcome")
          return
        }
        #expect(welcome.version == 3)
      }
    }

    @Test func aSessionOfVersion2IsNotHandedDeviceMemory() throws {
      let null = open("/dev/null", O_RDONLY | O_CLOEXEC)
      defer { close(null) }
      let arena = ArenaAnnouncement(
        arena: ArenaID(1), tier: .device, role: .data, slotBytes: 4096, slotCount: 1, descriptor: null,
        memory: .cuda(device: [UInt8](repeating: 7, count: 16), allocationBytes: 4096))
      let host = TrivialHost(onRequest: { request, outbox in
        guard request == .close(SequenceID(7)) else { return false }
        outbox.announce([arena])
        return true
      })
      try withServer(host) { _ in
        for (version, isTold) in [(2, false), (3, true)] as [(UInt32, Bool)] {
          let peer = try RawPeer(path: directory.socket)
          try peer.send(.hello(Hello(minVersion: 1, maxVersion: version, clientName: "peer")))
          guard case .message(.welcome) = peer.next() else {
            Issue.record("no welcome")
            continue
          }
          try peer.send(.request(.close(SequenceID(7))))
          if isTold {
            #expect(peer.next() == .message(.arenas([ArenaDescription(arena)])))
          } else {
            #expect(peer.failure()?.kind == .incompatible)
          }
        }
      }
    }

    @Test func aSessionOfVersion1HasNoTraces() throws {
      try withServer { _ in
        let old = try RawPeer(path: directory.socket)
        try old.greet()
        try old.send(.traceQuery)
        #expect(old.failure() == Failure(.malformed, "malformed frame: version 1 has no traces"))
      }
    }

    @Test func aSecondHelloAndAMissingOneAreRefused() throws {
      try withServer { _ in
        let twice = try RawPeer(path: directory.socket)
        try twice.greet()
        try twice.send(.hello(Hello(minVersion: 1, maxVersion: 1, clientName: "again")))
        #expect(twice.failure()?.kind == .malformed)
        let never = try RawPeer(path: directory.socket)
        try never.send(.request(.close(SequenceID(1))))
        #expect(never.failure()?.kind == .malformed)
      }
    }

    @Test func ahalfFinishedHandshakeIsCutOff() throws {
      var limits = WorkerServer.Limits()
      limits.handshakeMs = 100
      let host = TrivialHost()
      try withServer(host, limits) { server in
        let silent = try RawPeer(path: directory.socket)
        let gone = try RawPeer(path: directory.socket)
        gone.socket.hangUp()
        #expect(silent.failure()?.text == "no hello within 100 ms")
        #expect(eventually { server.connectionCount == 1 })
      }
      // Neither ever was a session of the host's.
      #expect(host.peers.withLock { $0.count } == 1)
    }

    @Test func connectionsAreLimitedPerUser() throws {
      var limits = WorkerServer.Limits()
      limits.connectionsPerUser = 3
      try withServer(TrivialHost(), limits) { server in
        let more = try (0..<2).map { _ in try WorkerClient.connect(path: directory.socket, name: "more") }
        #expect(throws: ResidencyError.unavailable("uid \(getuid()) has 3 workers connected already: end one first")) {
          try WorkerClient.connect(path: directory.socket, name: "one too many")
        }
        more[0].end()
        #expect(eventually { server.connectionCount == 2 })
        _ = try WorkerClient.connect(path: directory.socket, name: "again")
        withExtendedLifetime(more) {}
      }
    }

    @Test func connectionsAreLimitedOverall() throws {
      var limits = WorkerServer.Limits()
      limits.connections = 1
      limits.reservedConnections = 0
      try withServer(TrivialHost(), limits) { _ in
        #expect(throws: ResidencyError.unavailable("1 workers are connected already: try again later")) {
          try WorkerClient.connect(path: directory.socket, name: "one too many")
        }
      }
    }

    /// Users are other processes' here, so this asks the rule itself.
    @Test func fourUsersWhoTakeAllTheyMayLeavePlacesForOthers() {
      let limits = WorkerServer.Limits()
      var users = [1001: 0, 1002: 0, 1003: 0, 1004: 0] as [UInt32: Int]
      func total() -> Int { users.values.reduce(0, +) }
      for _ in 0..<limits.connections {
        for uid in users.keys.sorted()
        where limits.refusal(uid: uid, ofUser: users[uid]!, total: total()) == nil { users[uid]! += 1 }
      }
      #expect(total() == limits.connections - limits.reservedConnections)
      users[7] = 0
      while limits.refusal(uid: 7, ofUser: users[7]!, total: total()) == nil { users[7]! += 1 }
      #expect(users[7] == limits.reservedPerUser)
      for uid in 100..<200 as Range<UInt32> {
        users[uid] = 0
        while limits.refusal(uid: uid, ofUser: users[uid]!, total: total()) == nil { users[uid]! += 1 }
      }
      #expect(total() == limits.connections)
    }

    /// Answers every close with far more than a socket takes.
    private static func flood(_ request: Request, _ outbox: any ReplyOutbox) -> Bool {
      guard case .acquire = request else { return false }
      for block in 0..<ProtocolLimits.queuedReplies + 2000 {
        outbox.send([.lost(SequenceID(1), layer: 0, block: block * 2)])
      }
      return true
    }

    @Test func aClientThatNeverReadsIsDroppedAndOthersGoOn() throws {
      let before = openDescriptors()
      let host = TrivialHost(onRequest: Self.flood)
      try withServer(host) { server in
        let slow = try RawPeer(path: directory.socket)
        try slow.greet()
        try slow.send(.request(.acquire(SequenceID(1), chunk: 0, layer: 0, blocks: 0..<1)))
        #expect(eventually { server.connectionCount == 1 })
        #expect(host.disconnects.load(ordering: .acquiring) == 1)
      }
      #expect(eventually { openDescriptors() == before })
    }

    /// New replies arise while the backlog is read: none may overtake it.
    @Test func aClientThatReadsLateGetsEverythingInOrder() throws {
      let (backlog, more) = (1000, 500)
      let next = Atomic(0)
      let host = TrivialHost(onRequest: { request, outbox in
        let count =
          switch request {
          case .acquire: backlog
          case .release: 1
          default: 0
          }
        for _ in 0..<count {
          let block = next.add(1, ordering: .relaxed).oldValue
          outbox.send([.lost(SequenceID(1), layer: 0, block: block * 2)])
        }
        return count > 0
      })
      try withServer(host) { _ in
        let client = try WorkerClient.connect(path: directory.socket, name: "late")
        try client.send(.acquire(SequenceID(1), chunk: 0, layer: 0, blocks: 0..<1))
        #expect(eventually { next.load(ordering: .relaxed) == backlog })
        for block in 0..<(backlog + more) {
          if block < more { try client.send(.release(SequenceID(1), layer: 0, blocks: 0..<1)) }
          #expect(try client.receive(timeoutMs: 5000) == .lost(SequenceID(1), layer: 0, block: block * 2))
        }
      }
    }

    @Test func aBacklogThatIsNotReadIsGivenUp() throws {
      var limits = WorkerServer.Limits()
      limits.stallMs = 100
      let host = TrivialHost(onRequest: { request, outbox in
        guard case .acquire = request else { return false }
        for block in 0..<1000 { outbox.send([.lost(SequenceID(1), layer: 0, block: block * 2)]) }
        return true
      })
      try withServer(host, limits) { server in
        let slow = try RawPeer(path: directory.socket)
        try slow.greet()
        try slow.send(.request(.acquire(SequenceID(1), chunk: 0, layer: 0, blocks: 0..<1)))
        #expect(eventually { host.handled.load(ordering: .relaxed) == 1 })
        #expect(eventually { server.connectionCount == 1 })
      }
    }

    @Test func anEndWithABacklogStillTellsTheViolation() throws {
      let host = TrivialHost(onRequest: { request, outbox in
        guard case .acquire = request else { return false }
        for block in 0..<1000 { outbox.send([.lost(SequenceID(1), layer: 0, block: block * 2)]) }
        outbox.end(.tooManyOutstanding(limit: 7))
        return true
      })
      try withServer(host) { _ in
        let client = try WorkerClient.connect(path: directory.socket, name: "late")
        try client.send(.acquire(SequenceID(1), chunk: 0, layer: 0, blocks: 0..<1))
        usleep(50_000)
        var last: Reply?
        for _ in 0..<1001 { last = try client.receive(timeoutMs: 5000) }
        #expect(last == .violation(.tooManyOutstanding(limit: 7)))
      }
    }
  }
}
