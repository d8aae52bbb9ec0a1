import ControlAPI
import DaemonConfig
import FoundationEssentials
import Logging
import ServiceLifecycle
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

/// Makes the store and the worker socket's server. Throws an `ExitingError` where they cannot be had.
func makeDaemonParts(
  _ configuration: DaemonConfiguration, damagesOneReadIn: Int? = nil, logger: Logger
) throws -> DaemonParts {
  let engine = try openEngine(configuration, damagesOneReadIn, logger)
  let instance = StoreInstance()
  do throws(WorkerServerError) {
    let server = try WorkerServer(path: configuration.workerSocketPath, host: engine, store: instance) { line in
      logger.notice("\(line)")
    }
    logger.info("workers may connect", metadata: ["socket": "\(configuration.workerSocketPath)"])
    return DaemonParts(
      store: EngineControl(engine, instance: "\(instance)"), services: [StoreService(engine, server, logger)])
  } catch {
    engine.stop()
    throw StoreFault(error)
  }
}

private func openEngine(
  _ configuration: DaemonConfiguration, _ damagesOneReadIn: Int?, _ logger: Logger
) throws -> Engine {
  var options = EngineOptions(
    deviceBytes: configuration.deviceBudgetBytes, hostBytes: configuration.hostBudgetBytes,
    diskBytes: configuration.diskBudgetBytes,
    spillDirectory: configuration.spillDirectory,
    linkBytesPerSecond: configuration.emulatedLinkBytesPerS, report: { logger.warning("\($0)") })
  options.damagesOneReadIn = damagesOneReadIn
  options.memorySources = MemorySources(environment: ProcessInfo.processInfo.environment)
  if let damagesOneReadIn { logger.warning("a test: one read in \(damagesOneReadIn) from disk is damaged on purpose") }
  do throws(SpillError) {
    let engine = try Engine(options)
    if let found = engine.spill?.recovery {
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
