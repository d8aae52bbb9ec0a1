import CLinux
import Glibc
import Synchronization
import TierCore

@testable import TierWire

/// A store that holds everything: it answers each request at once, out of two arenas of four slots.
final class TrivialHost: SessionHost {
  struct Refused: Error {}

  /// Taken for each connection, before anything is answered.
  let onConnect: @Sendable (any ReplyOutbox) throws -> Void
  let onRequest: @Sendable (Request, any ReplyOutbox) -> Bool
  let peers = Mutex<[PeerCredentials]>([])
  let disconnects = Atomic(0)
  let handled = Atomic(0)

  /// `onRequest` answers true for the requests it has dealt with itself.
  init(
    onConnect: @escaping @Sendable (any ReplyOutbox) throws -> Void = { _ in },
    onRequest: @escaping @Sendable (Request, any ReplyOutbox) -> Bool = { _, _ in false }
  ) {
    self.onConnect = onConnect
    self.onRequest = onRequest
  }

  func connect(peer: PeerCredentials, outbox: any ReplyOutbox) throws -> any HostedSession {
    peers.withLock { $0.append(peer) }
    try onConnect(outbox)
    return TrivialSession(host: self, outbox: outbox)
  }
}

private final class TrivialSession: HostedSession {
  let host: TrivialHost
  let outbox: any ReplyOutbox

  init(host: TrivialHost, outbox: any ReplyOutbox) {
    self.host = host
    self.outbox = outbox
  }

  func handle(_ request: Request) {
    host.handled.add(1, ordering: .relaxed)
    guard !host.onRequest(request, outbox) else { return }
    switch request {
    case .open(let plan):
      outbox.send([.admitted(plan.sequence, staging: ArenaID(2), stagingSlots: plan.stagingSlots)])
    case .extend(let s, let blocks): outbox.send([.extended(s, named: blocks.count, cachedBlocks: 0)])
    case .reserve(let s, let layer, let blocks):
      outbox.send([.reserved(s, layer: layer, first: blocks.lowerBound, blocks.map { .slot(UInt32($0 % 4)) })])
    case .seal(let s, let layer, let blocks):
      outbox.send(blocks.map { .sealed(s, layer: layer, block: $0, .accepted) })
      outbox.send(blocks.map { .durable(s, layer: layer, block: $0) })
    case .acquire(let s, _, let layer, let blocks):
      let residences = blocks.map {
        Residence.resident(SlotRef(arena: ArenaID(1), index: UInt32($0)), generation: UInt64($0))
      }
      outbox.send([.acquired(s, layer: layer, first: blocks.lowerBound, residences)])
    case .release: break
    case .close(let s): outbox.send([.closed(s)])
    }
  }

  func statistics() -> StoreStatistics {
    var statistics = StoreStatistics()
    statistics.hits = 42
    return statistics
  }

  func takeTrace() -> MoveTrace { MoveTrace(records: [.statistics(atNs: 42)], dropped: 3, left: 0) }

  func disconnect() { host.disconnects.add(1, ordering: .releasing) }
}

/// A directory of its own for each test's socket, gone with it.
final class SocketDirectory {
  let path: String

  init() {
    var template = Array("/tmp/tier-wire-XXXXXX".utf8CString)
    path = template.withUnsafeMutableBufferPointer { String(cString: mkdtemp($0.baseAddress!)) }
  }

  var socket: String { path + "/worker.sock" }

  deinit {
    unlink(socket)
    rmdir(path)
  }
}

/// A peer that speaks no more of the protocol than a test makes it.
struct RawPeer {
  let socket: FrameSocket
  let buffer = FrameBuffer()

  init(path: String) throws {
    socket = FrameSocket(owning: tierd_socket())
    guard tierd_connect(socket.descriptor, path) == 0 else { throw TrivialHost.Refused() }
    _ = tierd_set_receive_timeout(socket.descriptor, 5000)
  }

  func greet() throws {
    let hello = ClientMessage.hello(Hello(minVersion: 1, maxVersion: 1, clientName: "raw"))
    _ = socket.send(try hello.frame(), wait: true)
    guard case .message(.welcome) = next() else { throw TrivialHost.Refused() }
  }

  func send(_ message: ClientMessage) throws { _ = socket.send(try message.frame(), wait: true) }

  enum Next: Equatable {
    case message(ServerMessage)
    case closed
    case other
  }

  func next() -> Next {
    while true {
      switch socket.receive(into: buffer, wait: true) {
      case .frame(let size, let descriptors):
        for descriptor in descriptors { close(descriptor) }
        return (try? ServerMessage(frame: buffer.frame(size))).map { .message($0) } ?? .other
      case .interrupted: continue
      case .closed: return .closed
      default: return .other
      }
    }
  }

  /// The failure the server ended with; nil where it ended otherwise.
  func failure() -> Failure? {
    var last: Failure?
    while case .message(let message) = next() {
      if case .failure(let failure) = message { last = failure }
    }
    return last
  }
}

/// Descriptors this process has open.
func openDescriptors() -> Int {
  guard let directory = opendir("/proc/self/fd") else { return -1 }
  defer { closedir(directory) }
  var count = 0
  while readdir(directory) != nil { count += 1 }
  return count
}

/// Waits until `condition` holds; false where it does not within five seconds.
func eventually(_ condition: () -> Bool) -> Bool {
  let deadline = Deadline(afterMs: 5000)
  while !condition() {
    guard deadline.remainingMs > 0 else { return false }
    usleep(1000)
  }
  return true
}
