import CLinux
import Glibc
public import TierCore
import TierMemory

/// A worker's session with a store in its own process: no socket, no daemon, the same core.
public final class EmbeddedSession: TracedSession, @unchecked Sendable {
  private let engine: Engine
  private let inbox = Mailbox()
  private var hosted: (any HostedSession)?

  public convenience init(_ engine: Engine, name: String = "embedded") throws {
    try self.init(engine, name: name, uid: getuid())
  }

  init(_ engine: Engine, name: String, uid: UInt32) throws {
    self.engine = engine
    let peer = PeerCredentials(pid: getpid(), uid: uid, gid: getgid(), clientName: name)
    hosted = try engine.connect(peer: peer, outbox: inbox)
  }

  deinit { end() }

  public func send(_ request: Request) throws(ResidencyError) {
    guard let hosted else { throw .unavailable("the session has ended") }
    hosted.handle(request)
  }

  public func receive(timeoutMs: Int) throws(ResidencyError) -> Reply? { try inbox.receive(timeoutMs: timeoutMs) }

  public func bytes(of slot: SlotRef) throws(ResidencyError) -> UnsafeRawBufferPointer {
    guard let bytes = engine.arenas.bytes(slot) else {
      throw .badSlot("slot \(slot.index) is in no arena of this store")
    }
    return UnsafeRawBufferPointer(bytes)
  }

  public func read(_ slot: SlotRef, into bytes: UnsafeMutableRawBufferPointer) throws(ResidencyError) {
    guard let address = engine.arenas.address(slot) else {
      throw .badSlot("slot \(slot.index) is in no arena of this store")
    }
    switch address {
    case .host(let base): bytes.copyMemory(from: UnsafeRawBufferPointer(start: base, count: bytes.count))
    case .device(let address):
      do throws(DeviceError) { try engine.options.device?.backend.read(address, into: bytes) } catch {
        throw .badSlot(error.message)
      }
    }
  }

  public func stagingBytes(arena: ArenaID, slot: UInt32) throws(ResidencyError) -> UnsafeMutableRawBufferPointer {
    guard let bytes = engine.arenas.bytes(SlotRef(arena: arena, index: slot)) else {
      throw .badSlot("staging slot \(slot) is in no arena of this store")
    }
    return bytes
  }

  public func isCurrent(_ slot: SlotRef, generation: UInt64) -> Bool {
    engine.arenas.generation(slot) == generation
  }

  public func statistics() throws(ResidencyError) -> StoreStatistics { hosted?.statistics() ?? engine.statistics() }

  public func takeTrace() throws(ResidencyError) -> MoveTrace {
    guard let hosted else { throw .unavailable("the session has ended") }
    return hosted.takeTrace()
  }

  public func end() {
    hosted?.disconnect()
    hosted = nil
  }
}

/// Replies wait here until the worker takes them. Bounded as a connection's queue is.
private final class Mailbox: ReplyOutbox, @unchecked Sendable {
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let arrived = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private var replies: [Reply] = []
  private var next = 0
  private var ended: ResidencyError?

  init() {
    pthread_mutex_init(mutex, nil)
    var attributes = pthread_condattr_t()
    pthread_condattr_init(&attributes)
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    pthread_cond_init(arrived, &attributes)
  }

  deinit {
    pthread_cond_destroy(arrived)
    pthread_mutex_destroy(mutex)
    arrived.deallocate()
    mutex.deallocate()
  }

  func send(_ new: [Reply]) {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    guard replies.count - next + new.count <= ProtocolLimits.queuedReplies else {
      ended = .violated("more than \(ProtocolLimits.queuedReplies) replies were left unread")
      return
    }
    replies.append(contentsOf: new)
    pthread_cond_signal(arrived)
  }

  func announce(_ arenas: [ArenaAnnouncement]) {}

  func end(_ violation: Violation?) {
    pthread_mutex_lock(mutex)
    ended = .violated(violation?.message ?? "the store ended the session")
    pthread_cond_signal(arrived)
    pthread_mutex_unlock(mutex)
  }

  func receive(timeoutMs: Int) throws(ResidencyError) -> Reply? {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    let end = MonotonicClock.nowNs() + UInt64(max(0, timeoutMs)) * 1_000_000
    while next == replies.count {
      if let ended { throw ended }
      guard MonotonicClock.nowNs() < end else { return nil }
      var deadline = timespec(tv_sec: Int(end / 1_000_000_000), tv_nsec: Int(end % 1_000_000_000))
      pthread_cond_timedwait(arrived, mutex, &deadline)
    }
    defer {
      next += 1
      if next == replies.count {
        replies.removeAll(keepingCapacity: true)
        next = 0
      }
    }
    return replies[next]
  }
}
