import CLinux
import Glibc
import Synchronization
public import TierCore

/// Serves the worker protocol (docs/protocol.md) to workers on a `SOCK_SEQPACKET` socket, one thread per connection.
/// It knows nothing of the store behind it but `SessionHost`. It listens from `init` to `stop`.
public final class WorkerServer: Sendable {
  public struct Limits: Sendable {
    /// Connections at once, of all users together.
    public var connections = 256
    /// Connections at once of one user id.
    public var connectionsPerUser = 64
    /// Of `connections`, those that only users with fewer than `reservedPerUser` of their own get: a few users who take all
    /// they may must not keep the others out.
    public var reservedConnections = 32
    public var reservedPerUser = 4
    /// Time from accept to hello.
    public var handshakeMs = 5000
    /// How long a worker may leave what it was sent unread while more waits for it.
    public var stallMs = 30_000

    public init() {}

    /// Why one more connection of a user is refused, who has `ofUser` of the `total` there are; nil where it is not.
    func refusal(uid: UInt32, ofUser: Int, total: Int) -> String? {
      if total >= connections { return "\(connections) workers are connected already: try again later" }
      if ofUser >= connectionsPerUser { return "uid \(uid) has \(ofUser) workers connected already: end one first" }
      if total >= connections - reservedConnections, ofUser >= reservedPerUser {
        return "uid \(uid) has \(ofUser) workers connected, and the last \(reservedConnections) places are for users "
          + "with fewer than \(reservedPerUser): end one first"
      }
      return nil
    }
  }

  private let listener: ListeningSocket
  private let connections: ConnectionRegistry
  private let acceptor: Mutex<SystemThread?>
  /// Hanging up one end wakes the acceptor, which polls the other.
  private let stopping: FrameSocket

  /// Listens on `path`.
  /// - Parameters:
  ///   - store: told to workers in the welcome: a new one for each run of the store.
  ///   - report: called with one line when a connection is refused or ended by this side, from any thread; at most
  ///     ten times a second, however many there are.
  public convenience init(
    path: String, host: any SessionHost, store: StoreInstance = StoreInstance(), limits: Limits = Limits(),
    report: @escaping @Sendable (String) -> Void = { _ in }
  ) throws(WorkerServerError) {
    try self.init(listener: ListeningSocket(path: path), host: host, store: store, limits: limits, report: report)
  }

  /// Serves a socket that is bound and listens already, as systemd's socket activation hands it over. Owns it.
  public convenience init(
    listening descriptor: Int32, host: any SessionHost, store: StoreInstance = StoreInstance(),
    limits: Limits = Limits(), report: @escaping @Sendable (String) -> Void = { _ in }
  ) throws(WorkerServerError) {
    try self.init(
      listener: ListeningSocket(inherited: descriptor), host: host, store: store, limits: limits, report: report)
  }

  private init(
    listener: ListeningSocket, host: any SessionHost, store: StoreInstance, limits: Limits,
    report: @escaping @Sendable (String) -> Void
  ) throws(WorkerServerError) {
    var wake: (Int32, Int32) = (-1, -1)
    let made = withUnsafeMutableBytes(of: &wake) {
      tierd_socketpair($0.baseAddress!.assumingMemoryBound(to: Int32.self))
    }
    guard made == 0 else {
      let cause = errno
      listener.remove()
      throw .system("cannot make a socket pair", cause)
    }
    let limited = LimitedReport(report: report)
    let report: @Sendable (String) -> Void = { limited($0) }
    self.listener = listener
    stopping = FrameSocket(owning: wake.0)
    connections = ConnectionRegistry(host: host, store: store, limits: limits, report: report)
    let loop = AcceptLoop(
      listener: listener, stop: FrameSocket(owning: wake.1), connections: connections, report: report)
    do {
      acceptor = Mutex(try SystemThread.start("wire-accept") { loop.run() })
    } catch {
      listener.remove()
      throw .system("cannot start a thread", error.number)
    }
  }

  /// Workers connected now.
  public var connectionCount: Int { connections.count }

  /// Stops listening, ends all connections and waits for their threads. Idempotent. Not from a connection's thread.
  public func stop() {
    let thread = acceptor.withLock { thread in
      defer { thread = nil }
      return thread
    }
    guard let thread else { return }
    listener.remove()
    stopping.hangUp()
    thread.join()
    connections.endAll()
  }
}
