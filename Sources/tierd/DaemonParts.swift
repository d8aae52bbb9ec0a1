import ControlAPI
import DaemonConfig
import FoundationEssentials
import Logging
import ServiceLifecycle
import ServiceManager
import TierCore
import TierEngine
import TierMemory
import TierSpill
import TierWire

/// What runs besides the control socket.
struct DaemonParts {
  /// What the control socket reads and steers.
  var store: any ControlledStore
  /// Started in this order before the control socket, stopped after it in the reverse one.
  var services: [any Service]
}

/// What only tests ask for.
struct DaemonTests {
  var damagesOneReadIn: Int?
  var diesRecoveringSegment: UInt64?
}

/// Makes the store and the worker socket's server. Throws an `ExitingError` where they cannot be had.
func makeDaemonParts(
  _ configuration: DaemonConfiguration, _ activation: Activation, _ tests: DaemonTests, notifier: Notifier,
  logger: Logger
) throws -> DaemonParts {
  let deviceLoss = DeviceLossService(logger: logger)
  let engine = try openEngine(
    configuration, activation.memoryFiles, tests, notifier.manager, deviceLoss, logger)
  do throws(WorkerServerError) {
    let instance = StoreInstance()
    let server = try openServer(configuration, activation, engine, instance, logger)
    let service = StoreService(
      engine: engine, server: server, drainDeadlineS: configuration.drainDeadlineS, notifier: notifier, logger: logger)
    let watchdog = WatchdogService(
      engine: engine, workers: { server.connectionCount }, notifier: notifier, logger: logger)
    return DaemonParts(
      store: EngineControl(engine, instance: "\(instance)"), services: [service, watchdog, deviceLoss])
  } catch {
    engine.stop()
    throw StoreFault(error)
  }
}

/// On the socket that was passed, else on one of its own.
private func openServer(
  _ configuration: DaemonConfiguration, _ activation: Activation, _ engine: Engine, _ instance: StoreInstance,
  _ logger: Logger
) throws(WorkerServerError) -> WorkerServer {
  let report: @Sendable (String) -> Void = { logger.notice("\($0)") }
  let configured = configuration.workerSocketPath
  guard let passed = activation.workerSocket else {
    let server = try WorkerServer(path: configured, host: engine, store: instance, report: report)
    logger.info("workers may connect", metadata: ["socket": "\(configured)"])
    return server
  }
  let server = try WorkerServer(listening: passed.descriptor, host: engine, store: instance, report: report)
  logger.info("workers may connect", metadata: ["socket": "\(passed.path)", "from": "socket unit"])
  if passed.path != configured {
    logger.warning(
      "the socket unit and the configuration differ, and the unit's counts: make ListenSequentialPacket= and runtime_dir agree",
      metadata: ["unit": "\(passed.path)", "configuration": "\(configured)"])
  }
  return server
}

/// Segments that would take the daemon down again are an operator's to look at.
private func report(_ setAside: [RecoveryReport.SetAside], _ logger: Logger) {
  for file in setAside {
    guard case .crashed(let times) = file.reason else { continue }
    logger.error(
      "\(times) starts crashed in the recovery of a segment: it is set aside; report it, and remove the file for its space",
      metadata: ["segment": "\(file.name)", "size": "\(ByteCount.text(file.bytes))"])
  }
}

private func openEngine(
  _ configuration: DaemonConfiguration, _ kept: [PassedDescriptor], _ tests: DaemonTests, _ manager: ServiceManager,
  _ deviceLoss: DeviceLossService, _ logger: Logger
) throws -> Engine {
  let device = try DeviceOpening(configuration, logger)
  var options = EngineOptions(
    deviceBytes: device.budgetBytes, hostBytes: configuration.hostBudgetBytes,
    diskBytes: configuration.diskBudgetBytes,
    spillDirectory: configuration.spillDirectory,
    linkBytesPerSecond: configuration.emulatedLinkBytesPerS, report: { logger.warning("\($0)") })
  let host = try HostPlan(configuration, .read(), logger)
  host.apply(to: &options)
  if host.pools.count > 1 {
    logger.info("host pools", metadata: ["nodes": "\(HostBudget.nodes(host.pools).text)"])
  }
  device.apply(to: &options)
  options.deviceLost = deviceLoss.lost
  options.tenants = configuration.tenants
  options.memoryKeeper = ArenaKeeper(manager, logger)
  options.keptMemory = kept.map { KeptDescriptor(name: $0.name, descriptor: $0.descriptor) }
  options.damagesOneReadIn = tests.damagesOneReadIn
  options.diesRecoveringSegment = tests.diesRecoveringSegment
  options.memorySources = MemorySources(environment: ProcessInfo.processInfo.environment)
  if let damagesOneReadIn = tests.damagesOneReadIn {
    logger.warning("a test: one read in \(damagesOneReadIn) from disk is damaged on purpose")
  }
  do throws(SpillError) {
    let engine = try Engine(options)
    if let found = engine.spill?.recovery {
      report(found.setAside, logger)
      logger.info(
        "spill opened",
        metadata: [
          "records": "\(found.records)", "stored": "\(ByteCount.text(found.storedBytes))",
          "torn_tails": "\(found.tornTails)", "holes": "\(found.holes)", "damaged_regions": "\(found.damagedRegions)",
          "set_aside": "\(found.setAside.count)",
        ])
    }
    return engine
  } catch {
    throw StoreFault(error)
  }
}
