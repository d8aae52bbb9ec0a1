import ControlServer
import DaemonConfig
import Glibc
import Logging
import ServiceLifecycle
import UnixSignals

/// The running daemon: its places, its parts, and their orderly start and end.
struct Daemon {
  let configuration: DaemonConfiguration
  /// For tests.
  var damagesOneReadIn: Int?

  /// Runs until SIGTERM, SIGINT or SIGHUP, and then stops its parts, the last started first.
  func run() async throws {
    let logger = Self.logger(level: configuration.logLevel)
    signal(SIGPIPE, SIG_IGN)
    // What is made here is nobody else's business; the sockets are opened to their group one by one.
    umask(0o027)
    let runtime = try Place(configuration.runtimeDirectory, mode: 0o750)
    let state = try Place(configuration.stateDirectory, mode: 0o700)
    let parts = try makeDaemonParts(configuration, damagesOneReadIn: damagesOneReadIn, logger: logger)
    let control = try ControlServer(
      store: parts.store, socketPath: configuration.controlSocketPath, daemonUID: geteuid(), logger: logger)
    var group = ServiceGroupConfiguration(
      services: parts.services + [control], gracefulShutdownSignals: [.sigterm, .sigint, .sighup], logger: logger)
    group.maximumGracefulShutdownDuration = .seconds(20)
    logger.info("starting", metadata: ["runtime_dir": "\(runtime.path)", "state_dir": "\(state.path)"])
    try await ServiceGroup(configuration: group).run()
    withExtendedLifetime((runtime, state)) { logger.info("stopped") }
  }

  private static func logger(level: String) -> Logger {
    LoggingSystem.bootstrap { StreamLogHandler.standardError(label: $0) }
    var logger = Logger(label: "tierd")
    logger.logLevel = Logger.Level(rawValue: level) ?? .info
    return logger
  }
}
