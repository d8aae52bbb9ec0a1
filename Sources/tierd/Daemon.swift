import ControlServer
import DaemonConfig
import Glibc
import Logging
import ServiceLifecycle
import ServiceManager
import UnixSignals

/// The running daemon: its places, its parts, and their orderly start and end.
struct Daemon {
  let source: ConfigurationSource
  let initial: ConfigurationSource.Loaded
  var tests = DaemonTests()

  private var configuration: DaemonConfiguration { initial.configuration }

  /// Runs until SIGTERM or SIGINT, and then stops its parts, the last started first. SIGHUP reads the configuration again.
  func run() async throws {
    let level = LogLevel(configuration.logLevel)
    let logger = Self.logger(level, environment: source.environment)
    signal(SIGPIPE, SIG_IGN)
    // Until the reload's handler is there: the configuration has just been read.
    signal(SIGHUP, SIG_IGN)
    // What is made here is nobody else's business; the sockets are opened to their group one by one.
    umask(0o027)
    let notifier = Notifier(try ServiceManager(environment: source.environment), logger)
    notifier.tell([.status("starting")])
    let activation = try Activation(notifier.manager.takeDescriptors())
    OpenFiles.prepare(logger)
    let runtime = try Place(configuration.runtimeDirectory, mode: 0o750)
    let state = try Place(configuration.stateDirectory, mode: 0o700)
    if let why = state.unwritable {
      logger.error(
        "\(why): nothing is spilled until that changes; memory serves", metadata: ["state_dir": "\(state.path)"])
    }
    logger.info("starting", metadata: ["runtime_dir": "\(runtime.path)", "state_dir": "\(state.path)"])
    let parts = try makeDaemonParts(
      configuration, activation, tests, notifier: notifier, logger: logger)
    try await ServiceGroup(configuration: group(parts, level, notifier, logger)).run()
    withExtendedLifetime((runtime, state)) { logger.info("stopped") }
  }

  private func group(
    _ parts: DaemonParts, _ level: LogLevel, _ notifier: Notifier, _ logger: Logger
  ) throws -> ServiceGroupConfiguration {
    let control = try ControlServer(
      store: parts.store, socketPath: configuration.controlSocketPath, daemonUID: geteuid(), logger: logger
    ) { notifier.tell([.ready, .status("serving")]) }
    let reload = ReloadService(
      source: source, initial: initial, store: parts.store, level: level, notifier: notifier, logger: logger)
    let drainS = configuration.drainDeadlineS
    var group = ServiceGroupConfiguration(
      services: parts.services + [reload, control, StopNotice(notifier: notifier, drainDeadlineS: drainS)],
      gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
    group.maximumGracefulShutdownDuration = .seconds(drainS + StoreService.endS)
    return group
  }

  private static func logger(_ level: LogLevel, environment: [String: String]) -> Logger {
    let isJournal = DaemonLogHandler.isJournal(environment["JOURNAL_STREAM"])
    LoggingSystem.bootstrap { _ in DaemonLogHandler(level, isJournal: isJournal) }
    return Logger(label: "tierd")
  }
}
