public import ControlAPI
import Glibc
import Hummingbird
public import Logging
import NIOCore
import NIOPosix
public import ServiceLifecycle
import Synchronization

/// HTTP/JSON on a Unix socket: reads the running store, steers it, and renders its metrics. See `ControlRoute`.
///
/// Limits: 64 connections, 8 a user; 120 s a connection, 15 s idle; bodies of 64 KiB. The store is called on four threads
/// of the server's own, so a slow call never holds up an event loop.
public struct ControlServer: Service {
  private let store: any ControlledStore
  private let socket: SocketPath
  private let policy: AccessPolicy
  private let logger: Logger
  private let onOpen: @Sendable () -> Void

  /// One thread is plenty, and it lives as long as the process: connections may end after their server.
  private static let loop = MultiThreadedEventLoopGroup(numberOfThreads: 1)

  /// Throws where `socketPath` cannot be a socket's. Its directory has to be there, open to whom the socket is for
  /// (0750). Bound in `run`.
  /// - Parameter onOpen: called once, when whoever may can connect.
  public init(
    store: any ControlledStore, socketPath: String, daemonUID: UInt32, logger: Logger,
    onOpen: @escaping @Sendable () -> Void = {}
  ) throws(SocketPath.Fault) {
    self.store = store
    self.socket = try SocketPath(socketPath)
    self.policy = AccessPolicy(daemonUID: daemonUID)
    self.logger = logger
    self.onOpen = onOpen
  }

  /// Serves until graceful shutdown or cancellation; the socket is gone afterwards. Throws `SocketPath.Fault` where
  /// the path is taken, is no socket or belongs to another.
  public func run() async throws {
    try socket.clearStale()
    let threads = NIOThreadPool(numberOfThreads: 4)
    threads.start()
    defer {
      unlink(socket.path)
      threads.shutdownGracefully { _ in }
    }
    let modeFault = Mutex<SocketPath.Fault?>(nil)
    try await application(threads: threads) { channel in
      guard chmod(socket.path, 0o660) == 0 else {
        let why = String(cString: strerror(errno))
        modeFault.withLock { $0 = .init("cannot open \(socket.path) to its group: \(why)") }
        return channel.close(promise: nil)
      }
      logger.info("control socket is open", metadata: ["path": "\(socket.path)"])
      onOpen()
    }.run()
    if let fault = modeFault.withLock({ $0 }) { throw fault }
  }

  private func application(
    threads: NIOThreadPool,
    onServerRunning: @escaping @Sendable (any Channel) async -> Void
  ) -> some ApplicationProtocol {
    let counts = ConnectionCounts()
    var quiet = logger
    quiet.logLevel = max(logger.logLevel, .warning)
    return Application(
      responder: ControlResponder(store: store, policy: policy, threads: threads, logger: logger),
      server: .http1(
        configuration: .init(
          additionalChannelHandlers: [ConnectionGuard(counts: counts, policy: policy)],
          idleTimeout: ConnectionLimits.idle,
          httpDecoderConfiguration: .init(
            maxHeaderFieldSize: 8 << 10, maxHeaderListSize: 16 << 10, maxHeaderFieldCount: 64))),
      configuration: .init(
        address: .unixDomainSocket(path: socket.path), serverName: "tierd", backlog: 64,
        availableConnectionsDelegate: .maximum(ConnectionLimits.total, logger: quiet)),
      onServerRunning: onServerRunning,
      eventLoopGroupProvider: .shared(Self.loop),
      logger: quiet)
  }
}
