import CLinux
import Glibc

/// Accepts connections until told to stop, and never spins: out of descriptors, it closes a spare one to accept and
/// refuse the caller, so that nobody is left waiting in the backlog.
final class AcceptLoop: Sendable {
  private let listener: ListeningSocket
  private let stop: FrameSocket
  private let connections: ConnectionRegistry
  private let report: @Sendable (String) -> Void

  /// How long to leave the system alone when it has no descriptor or memory for a connection.
  private static let backOffMs: Int32 = 100

  init(
    listener: ListeningSocket, stop: FrameSocket, connections: ConnectionRegistry,
    report: @escaping @Sendable (String) -> Void
  ) {
    self.listener = listener
    self.stop = stop
    self.connections = connections
    self.report = report
  }

  func run() {
    var spare = Self.spareDescriptor()
    defer { close(spare) }
    while waitForCaller() {
      let accepted = tierd_accept(listener.descriptor)
      guard accepted < 0 else {
        connections.admit(FrameSocket(owning: accepted))
        continue
      }
      switch errno {
      case EINTR, ECONNABORTED, EAGAIN: continue
      case EMFILE, ENFILE:
        report("out of file descriptors: a worker is turned away; raise LimitNOFILE=")
        close(spare)
        turnAway()
        spare = Self.spareDescriptor()
        if spare < 0, backOff() { return }
      case let cause:
        report("cannot accept a worker: \(errorText(cause))")
        if backOff() { return }
      }
    }
  }

  /// False when told to stop.
  private func waitForCaller() -> Bool {
    var sources = [
      pollfd(fd: listener.descriptor, events: Int16(POLLIN), revents: 0),
      pollfd(fd: stop.descriptor, events: Int16(POLLIN), revents: 0),
    ]
    while poll(&sources, 2, -1) < 0 {
      // Only EINTR, and want of kernel memory, which passes.
      if errno != EINTR, backOff() { return false }
    }
    return sources[1].revents == 0
  }

  /// True when told to stop meanwhile.
  private func backOff() -> Bool {
    var source = pollfd(fd: stop.descriptor, events: Int16(POLLIN), revents: 0)
    return poll(&source, 1, Self.backOffMs) > 0
  }

  private func turnAway() {
    let accepted = tierd_accept(listener.descriptor)
    guard accepted >= 0 else { return }
    ServedConnection.refuse(
      FrameSocket(owning: accepted), Failure(.unavailable, "the daemon is out of file descriptors: try again later"))
  }

  private static func spareDescriptor() -> Int32 { open("/dev/null", O_RDONLY | O_CLOEXEC) }
}
