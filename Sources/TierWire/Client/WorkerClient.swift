import CLinux
import Glibc
import Synchronization
public import TierCore

/// A worker's session with a daemon, over its socket: `ResidencySession` for everything the store does, and the maps of
/// the arenas it hands over. Docs: docs/protocol.md.
///
/// `send`, `receive`, `statistics` and `takeTrace` are for one thread; the rest may be called from any. The connection is the lease:
/// it ends with `end`, with the last reference, or with the process. A daemon that goes away is `unavailable`; connect
/// again for a new session.
public final class WorkerClient: TracedSession {
  /// The store this session is with: blocks named to another instance are not named to this one.
  public let store: StoreInstance
  /// The rule of docs/protocol.md, "Block ids", that the store's clients compute block ids by.
  public let blockIDRule: UInt32
  /// The daemon's process, as the kernel noted it when it began to listen.
  public let daemonPID: Int32

  private let socket: FrameSocket
  private let deadlineMs: Int
  private let blocksPerRequest: Int
  private let version: UInt32
  private let channel: Mutex<ClientChannel>
  private let arenas: Mutex<ArenaTable>
  private let isEnded = Atomic(false)

  /// Connects to the daemon at `path`.
  /// - Parameters:
  ///   - name: what the daemon's operator sees this worker as.
  ///   - timeoutMs: the limit for connecting, for each `send`, and for `statistics`.
  ///   - servers: user ids a daemon may run as besides root and this process's own.
  ///   - importer: for a store whose compute tier is a device's memory.
  public static func connect(
    path: String, name: String, timeoutMs: Int = 5000, servers: Set<UInt32> = [],
    importer: (any DeviceImporter)? = nil
  ) throws(ResidencyError) -> WorkerClient {
    let descriptor = tierd_socket()
    guard descriptor >= 0 else { throw .unavailable("cannot make a socket: \(errorText(errno))") }
    let socket = FrameSocket(owning: descriptor)
    let deadline = Deadline(afterMs: timeoutMs)
    try connect(socket, to: path, timeoutMs: timeoutMs)
    let daemon = try verify(socket, path: path, servers: servers)
    var channel = ClientChannel(socket: socket)
    let welcome = try greet(socket, &channel, name: name, deadline: deadline)
    return WorkerClient(
      socket, channel, welcome, daemonPID: daemon, deadlineMs: max(timeoutMs, 1), importer: importer)
  }

  private init(
    _ socket: FrameSocket, _ channel: sending ClientChannel, _ welcome: Welcome, daemonPID: Int32, deadlineMs: Int,
    importer: (any DeviceImporter)?
  ) {
    self.socket = socket
    self.channel = Mutex(channel)
    arenas = Mutex(ArenaTable(importer: importer))
    store = welcome.store
    blockIDRule = welcome.blockIDRule
    blocksPerRequest = welcome.blocksPerRequest
    version = welcome.version
    self.daemonPID = daemonPID
    self.deadlineMs = deadlineMs
  }

  deinit { socket.hangUp() }

  // MARK: ResidencySession

  public func send(_ request: Request) throws(ResidencyError) {
    if case .open(let plan) = request, !plan.reach.isEmpty, version < ProtocolVersion.reach {
      throw .incompatible(
        "the daemon speaks version \(version) of the worker protocol, which has no sliding or chunked layers: install a newer"
      )
    }
    try send(.request(request))
  }

  public func receive(timeoutMs: Int) throws(ResidencyError) -> Reply? {
    try withChannel { channel throws(ResidencyError) in
      if let reply = channel.popReply() { return reply }
      guard timeoutMs > 0 else {
        while try self.advance(&channel, timeoutMs: 0) {
          if let reply = channel.popReply() { return reply }
        }
        return nil
      }
      // One wait of the full length in most cases; what is no reply (an arena) makes it start over, so bound it.
      guard try self.advance(&channel, timeoutMs: timeoutMs) else { return nil }
      if let reply = channel.popReply() { return reply }
      let deadline = Deadline(afterMs: timeoutMs)
      while try self.advance(&channel, timeoutMs: deadline.remainingMs) {
        if let reply = channel.popReply() { return reply }
      }
      return nil
    }
  }

  public func bytes(of slot: SlotRef) throws(ResidencyError) -> UnsafeRawBufferPointer {
    guard let bytes = arena(slot.arena, .data)?.slot(slot.index) else {
      throw .badSlot("slot \(slot.index) of arena \(slot.arena.rawValue) was not handed to this session")
    }
    return UnsafeRawBufferPointer(bytes)
  }

  public func read(_ slot: SlotRef, into bytes: UnsafeMutableRawBufferPointer) throws(ResidencyError) {
    guard try arena(slot.arena, .data)?.read(slot.index, into: bytes) == true else {
      throw .badSlot("slot \(slot.index) of arena \(slot.arena.rawValue) was not handed to this session")
    }
  }

  public func stagingBytes(arena: ArenaID, slot: UInt32) throws(ResidencyError) -> UnsafeMutableRawBufferPointer {
    guard let bytes = self.arena(arena, .staging)?.slot(slot) else {
      throw .badSlot("staging slot \(slot) of arena \(arena.rawValue) was not handed to this session")
    }
    return bytes
  }

  public func isCurrent(_ slot: SlotRef, generation: UInt64) -> Bool {
    arena(slot.arena, .generations)?.generation(slot.index) == generation
  }

  public func statistics() throws(ResidencyError) -> StoreStatistics {
    try ask(.statisticsQuery) { $0.takeStatistics() }
  }

  public func takeTrace() throws(ResidencyError) -> MoveTrace {
    guard version >= ProtocolVersion.traces else {
      throw .incompatible(
        "the daemon speaks version \(version) of the worker protocol, which has no traces: install a newer")
    }
    return try ask(.traceQuery) { $0.takeTrace() }
  }

  public func end() {
    isEnded.store(true, ordering: .releasing)
    socket.hangUp()
  }
}

extension WorkerClient {
  private func arena(_ id: ArenaID, _ role: ArenaAnnouncement.Role) -> MappedArena? {
    arenas.withLock { $0.arena(id, role) }
  }

  private func withChannel<R>(
    _ body: (inout ClientChannel) throws(ResidencyError) -> sending R
  ) throws(ResidencyError) -> R {
    guard !isEnded.load(ordering: .acquiring) else { throw .unavailable("the session has ended") }
    return try channel.withLock { channel throws(ResidencyError) in try body(&channel) }
  }

  private func advance(_ channel: inout ClientChannel, timeoutMs: Int) throws(ResidencyError) -> Bool {
    try channel.advance(timeoutMs: timeoutMs) { list, descriptors throws(ResidencyError) in
      try self.arenas.withLock { table throws(ResidencyError) in try table.add(list, descriptors) }
    }
  }

  /// What comes meanwhile is kept for `receive`.
  private func ask<Answer: Sendable>(
    _ query: ClientMessage, _ take: (inout ClientChannel) -> Answer?
  ) throws(ResidencyError) -> Answer {
    try send(query)
    let deadline = Deadline(afterMs: deadlineMs)
    return try withChannel { channel throws(ResidencyError) in
      while try self.advance(&channel, timeoutMs: deadline.remainingMs) {
        if let answer = take(&channel) { return answer }
      }
      throw .unavailable("the daemon did not answer within \(self.deadlineMs) ms")
    }
  }

  private func send(_ message: ClientMessage) throws(ResidencyError) {
    guard !isEnded.load(ordering: .acquiring) else { throw .unavailable("the session has ended") }
    let frame: [UInt8]
    do throws(FrameError) {
      frame = try message.frame()
    } catch {
      throw .violated("the request is outside the protocol's limits and was not sent: \(error.message)")
    }
    switch socket.send(frame, wait: true) {
    case .sent: return
    case .full: throw .unavailable("the daemon took no request for \(deadlineMs) ms")
    case .gone: throw reasonForEnd()
    case .failed(let cause): throw .unavailable("cannot send to the daemon: \(errorText(cause))")
    }
  }

  /// The daemon hung up: it may have said why before.
  private func reasonForEnd() -> ResidencyError {
    channel.withLock { channel in
      do throws(ResidencyError) {
        while try self.advance(&channel, timeoutMs: 0) {}
        return .unavailable("the daemon closed the connection: it stopped, or restarts")
      } catch {
        return error
      }
    }
  }
}
