import CLinux
import Glibc
import TierCore

/// The receiving half of a client: frames in, replies out one by one. Used by one thread at a time.
struct ClientChannel {
  private let socket: FrameSocket
  private let buffer = FrameBuffer()
  private var replies: [Reply] = []
  private var next = 0
  private var statistics: StoreStatistics?
  private var trace: MoveTrace?
  /// Why nothing more will come.
  private(set) var ended: ResidencyError?
  private var receiveTimeoutMs: Int?
  private var spin = ReceiveSpin()

  /// Replies kept while the answer to something else is waited for: the store ends a session long before.
  private static let repliesMax = 4 * ProtocolLimits.queuedReplies

  init(socket: FrameSocket) { self.socket = socket }

  mutating func popReply() -> Reply? {
    guard next < replies.count else { return nil }
    defer {
      next += 1
      if next == replies.count {
        replies.removeAll(keepingCapacity: true)
        next = 0
      }
    }
    return replies[next]
  }

  mutating func takeStatistics() -> StoreStatistics? { statistics.take() }
  mutating func takeTrace() -> MoveTrace? { trace.take() }

  /// Receives one frame and keeps what is in it; false where none came by the deadline. `timeoutMs` 0 polls.
  mutating func advance(
    timeoutMs: Int, arenas: (_ list: [ArenaDescription], _ descriptors: [Int32]) throws(ResidencyError) -> Void
  ) throws(ResidencyError) -> Bool {
    do throws(ResidencyError) {
      guard let (message, descriptors) = try message(timeoutMs: timeoutMs) else { return false }
      if case .arenas(let list) = message {
        try arenas(list, descriptors)
        return true
      }
      try requireNone(descriptors)
      switch message {
      case .replies(let more): try keep(more)
      case .statistics(let value): statistics = value
      case .trace(let value): trace = value
      case .failure(let failure): throw Self.error(failure)
      case .welcome, .arenas: throw .violated("the daemon sent a welcome out of turn")
      }
      return true
    } catch {
      ended = ended ?? error
      socket.hangUp()
      throw error
    }
  }

  /// The next message with its descriptors, which are the caller's to close; nil where none came in time.
  mutating func message(timeoutMs: Int) throws(ResidencyError) -> (ServerMessage, [Int32])? {
    if let ended { throw ended }
    switch try receive(timeoutMs: timeoutMs) {
    case .frame(let size, let descriptors):
      do throws(FrameError) {
        return (try ServerMessage(frame: buffer.frame(size)), descriptors)
      } catch {
        for descriptor in descriptors { close(descriptor) }
        throw .violated("the daemon sent a \(error.message)")
      }
    case .nothing, .interrupted: return nil
    case .closed: throw .unavailable("the daemon closed the connection: it stopped, or restarts")
    case .oversized, .tooManyDescriptors: throw .violated("the daemon sent a frame beyond the protocol's limits")
    case .failed(let cause): throw .unavailable("cannot receive from the daemon: \(errorText(cause))")
    }
  }

  private mutating func receive(timeoutMs: Int) throws(ResidencyError) -> FrameSocket.Received {
    let timeoutMs = min(timeoutMs, Deadline.maxWaitMs)
    var remainingMs = timeoutMs
    lazy var deadline = Deadline(afterMs: timeoutMs)
    while true {
      if remainingMs > 0 { try setTimeout(remainingMs) }
      let received =
        remainingMs > 0 ? socket.receive(into: buffer, spin: &spin) : socket.receive(into: buffer, wait: false)
      guard received == .interrupted else { return received }
      // Rare, so the clock is read only now: an interrupted wait is at most once as long again.
      remainingMs = deadline.remainingMs
    }
  }

  private mutating func setTimeout(_ ms: Int) throws(ResidencyError) {
    guard receiveTimeoutMs != ms else { return }
    guard tierd_set_receive_timeout(socket.descriptor, Int64(ms)) == 0 else {
      throw .unavailable("cannot wait for the daemon: \(errorText(errno))")
    }
    receiveTimeoutMs = ms
  }

  private mutating func keep(_ more: [Reply]) throws(ResidencyError) {
    guard replies.count - next + more.count <= Self.repliesMax else {
      throw .violated("the daemon sent more replies than were asked for")
    }
    replies.append(contentsOf: more)
    for case .violation(let violation) in more { ended = .violated(violation.message) }
  }

  private func requireNone(_ descriptors: [Int32]) throws(ResidencyError) {
    guard !descriptors.isEmpty else { return }
    for descriptor in descriptors { close(descriptor) }
    throw .violated("the daemon sent descriptors with a frame that carries none")
  }

  static func error(_ failure: Failure) -> ResidencyError {
    switch failure.kind {
    case .malformed: .violated(failure.text)
    case .incompatible: .incompatible(failure.text)
    case .unavailable: .unavailable(failure.text)
    }
  }
}
