import Glibc
import Synchronization
import TierCore

/// The sending half of a served connection. Whoever has a reply sends it directly, without waiting; what the worker's
/// socket does not take is queued, and a writer thread, started when first needed, sends it as the worker reads.
///
/// Life: `corked` (replies wait for the welcome) → `open` → `closing` (the last frame is on its way) → `ended`.
final class ConnectionOutbox: ReplyOutbox {
  private enum Phase {
    case corked, open, closing, ended
  }

  private struct State {
    var phase = Phase.corked
    /// The session ended itself before the welcome went out: what it said follows the welcome, then the end.
    var endsWhenOpen = false
    var queue = OutgoingQueue()
    var writer: SystemThread?
    /// Why the connection ended, where that was this side's decision or a fault.
    var reason: String?
  }

  private let socket: FrameSocket
  private let stallMs: Int
  private let version: UInt32
  private let state = Mutex(State())
  private let work = Semaphore()

  /// How long the last frames of a connection may take to be read.
  private static let lingerMs = 1000

  /// - Parameter version: of the protocol that was agreed on.
  init(socket: FrameSocket, stallMs: Int, version: UInt32) {
    self.version = version
    self.socket = socket
    self.stallMs = stallMs
  }

  // MARK: ReplyOutbox

  func send(_ replies: [Reply]) {
    guard !replies.isEmpty else { return }
    do throws(FrameError) {
      enqueue(try ReplyFrames.encode(replies).map { OutgoingFrame(bytes: $0) }, last: false)
    } catch {
      fail(Failure(.unavailable, "the store's reply does not fit the protocol: \(error.message)"))
    }
  }

  func announce(_ arenas: [ArenaAnnouncement]) {
    guard version >= ProtocolVersion.deviceMemory || arenas.allSatisfy({ $0.memory == .file }) else {
      return fail(
        Failure(
          .incompatible,
          "this daemon's device tier is CUDA memory, which version \(version) of the worker protocol has not: "
            + "install a newer client"))
    }
    var rest = arenas[...]
    while !rest.isEmpty {
      let part = rest.prefix(ProtocolLimits.descriptorsPerMessage)
      rest = rest.dropFirst(part.count)
      announcePart(part)
    }
  }

  func end(_ violation: Violation?) {
    guard let violation else { return end(saying: nil, because: nil) }
    do throws(FrameError) {
      let frames = try ServerMessage.replies([.violation(violation)]).frames()
      end(saying: frames.first, because: violation.message)
    } catch {
      end(saying: nil, because: violation.message)
    }
  }

  // MARK: For the connection

  /// Sends the welcome, then what has been waiting for it.
  func open(with welcome: [UInt8]) {
    state.withLock { state in
      guard state.phase == .corked else { return }
      switch socket.send(welcome, wait: false) {
      case .sent:
        state.phase = state.endsWhenOpen ? .closing : .open
        flush(&state)
      case let other: end(&state, because: Self.text(other))
      }
    }
  }

  func answer(_ statistics: StoreStatistics) { answer(.statistics(statistics), "statistics") }
  func answer(_ trace: MoveTrace) { answer(.trace(trace), "trace") }

  private func answer(_ message: ServerMessage, _ what: StaticString) {
    do throws(FrameError) {
      enqueue(try message.frames().map { OutgoingFrame(bytes: $0) }, last: false)
    } catch {
      fail(Failure(.unavailable, "the store's \(what) does not fit the protocol: \(error.message)"))
    }
  }

  /// Tells the worker why and ends the connection.
  func fail(_ failure: Failure) {
    do throws(FrameError) {
      end(saying: try ServerMessage.failure(failure).frames().first, because: failure.text)
    } catch {
      end(saying: nil, because: failure.text)
    }
  }

  /// Whether requests are still to be handled.
  var isOpen: Bool { state.withLock { $0.phase == .open } }

  /// Ends what is left and waits for the writer. Returns why the connection ended, if not by the worker's wish.
  func finish() -> String? {
    let (writer, reason) = state.withLock { state in
      end(&state, because: nil)
      let writer = state.writer
      state.writer = nil
      return (writer, state.reason)
    }
    writer?.join()
    return reason
  }

  // MARK: Under the lock

  private func announcePart(_ arenas: ArraySlice<ArenaAnnouncement>) {
    var descriptors: [Int32] = []
    for arena in arenas {
      let copy = fcntl(arena.descriptor, F_DUPFD_CLOEXEC, 0)
      guard copy >= 0 else {
        let cause = errno
        OutgoingFrame(bytes: [], descriptors: descriptors).discard()
        return fail(Failure(.unavailable, "cannot hand over arena \(arena.arena.rawValue): \(errorText(cause))"))
      }
      descriptors.append(copy)
    }
    do throws(FrameError) {
      let frames = try ServerMessage.arenas(arenas.map { ArenaDescription($0) }).frames()
      enqueue([OutgoingFrame(bytes: frames[0], descriptors: descriptors)], last: false)
    } catch {
      OutgoingFrame(bytes: [], descriptors: descriptors).discard()
      fail(Failure(.unavailable, "an arena does not fit the protocol: \(error.message)"))
    }
  }

  private func end(saying frame: [UInt8]?, because reason: String?) {
    state.withLock { if $0.reason == nil, $0.phase != .ended { $0.reason = reason } }
    enqueue(frame.map { [OutgoingFrame(bytes: $0)] } ?? [], last: true)
  }

  private func enqueue(_ frames: [OutgoingFrame], last: Bool) {
    state.withLock { state in
      guard state.phase == .open || (state.phase == .corked && !state.endsWhenOpen) else {
        for frame in frames { frame.discard() }
        return
      }
      if last {
        if state.phase == .corked { state.endsWhenOpen = true } else { state.phase = .closing }
      }
      // With a backlog the writer is at it already.
      let idle = state.phase != .corked && state.queue.isEmpty
      guard let waiting = idle ? sendDirectly(frames[...], &state) : frames[...],
        append(waiting, to: &state), idle
      else { return }
      if !state.queue.isEmpty {
        startWriter(&state)
      } else if state.phase == .closing {
        end(&state, because: nil)
      }
    }
  }

  /// Sends what the socket takes and returns the rest; nil where the connection ended instead.
  private func sendDirectly(_ frames: ArraySlice<OutgoingFrame>, _ state: inout State) -> ArraySlice<OutgoingFrame>? {
    var frames = frames
    while let frame = frames.first {
      let sent = socket.send(frame.bytes, descriptors: frame.descriptors, wait: false)
      if sent == .full { break }
      guard sent == .sent else {
        for frame in frames { frame.discard() }
        end(&state, because: Self.text(sent))
        return nil
      }
      frame.discard()
      frames.removeFirst()
    }
    return frames
  }

  /// False where the queue is full: the connection has ended then.
  private func append(_ frames: ArraySlice<OutgoingFrame>, to state: inout State) -> Bool {
    var frames = frames
    while let frame = frames.popFirst() {
      guard state.queue.append(frame) else {
        for frame in frames { frame.discard() }
        end(&state, because: "it does not read: \(ProtocolLimits.queuedReplies) replies wait for it")
        return false
      }
    }
    return true
  }

  private func flush(_ state: inout State) {
    guard !state.queue.isEmpty else {
      if state.phase == .closing { end(&state, because: nil) }
      return
    }
    switch state.queue.flush(to: socket) {
    case .all: if state.phase == .closing { end(&state, because: nil) }
    case .some: startWriter(&state)
    case .gone: end(&state, because: nil)
    case .failed(let cause): end(&state, because: "cannot send to it: \(errorText(cause))")
    }
  }

  private func end(_ state: inout State, because reason: String?) {
    guard state.phase != .ended else { return }
    state.phase = .ended
    if state.reason == nil { state.reason = reason }
    state.queue.discardAll()
    socket.hangUp()
    work.signal()
  }

  private static func text(_ sent: FrameSocket.Sent) -> String? {
    switch sent {
    case .sent, .gone: nil
    case .full: "it does not read"
    case .failed(let cause): "cannot send to it: \(errorText(cause))"
    }
  }

  // MARK: The writer

  private func startWriter(_ state: inout State) {
    guard state.writer == nil else { return work.signal() }
    do {
      state.writer = try SystemThread.start("wire-writer") { self.write() }
      work.signal()
    } catch {
      end(&state, because: "no thread to write to it: \(errorText(error.number))")
    }
  }

  private func write() {
    while true {
      work.wait()
      drain()
      if state.withLock({ $0.phase == .ended }) { return }
    }
  }

  /// Sends the backlog as the worker reads it, until none is left or the worker has not read for too long.
  private func drain() {
    var stalled = Deadline(afterMs: stallMs)
    var lingers = false
    while let phase = pendingPhase() {
      if phase == .closing, !lingers {
        lingers = true
        stalled = Deadline(afterMs: min(Self.lingerMs, stallMs))
      }
      var writable = pollfd(fd: socket.descriptor, events: Int16(POLLOUT), revents: 0)
      // Short, so that an end that comes meanwhile is noticed.
      _ = poll(&writable, 1, Int32(min(stalled.remainingMs, 250)))
      if writeOnce(expired: stalled.remainingMs == 0), !lingers { stalled = Deadline(afterMs: stallMs) }
    }
  }

  private func pendingPhase() -> Phase? {
    state.withLock { $0.phase == .ended || $0.queue.isEmpty ? nil : $0.phase }
  }

  /// Sends what can be sent; true where some was.
  private func writeOnce(expired: Bool) -> Bool {
    state.withLock { state in
      guard state.phase != .ended else { return true }
      switch state.queue.flush(to: socket) {
      case .all:
        if state.phase == .closing { end(&state, because: nil) }
        return true
      case .some(true): return true
      case .some(false):
        if expired { end(&state, because: "it has not read for \(stallMs) ms") }
        return false
      case .gone:
        end(&state, because: nil)
        return true
      case .failed(let cause):
        end(&state, because: "cannot send to it: \(errorText(cause))")
        return true
      }
    }
  }
}
