import Logging
import ServiceLifecycle
import TierEngine
import TierWire

/// The store and its worker socket, from start to an orderly end: no new workers, what is only in memory to disk.
struct StoreService: Service {
  private static let drainMs = 10_000
  private let engine: Engine
  private let server: WorkerServer
  private let logger: Logger

  init(_ engine: Engine, _ server: WorkerServer, _ logger: Logger) {
    self.engine = engine
    self.server = server
    self.logger = logger
  }

  func run() async throws {
    try? await gracefulShutdown()
    server.stop()
    let left = engine.drain(deadlineMs: Self.drainMs)
    if left > 0, engine.spill != nil {
      logger.warning("stopping with blocks that are not on disk", metadata: ["blocks": "\(left)"])
    }
    engine.stop()
  }
}
