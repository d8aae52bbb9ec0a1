import Logging
import ServiceLifecycle
import ServiceManager
import TierEngine
import TierWire

/// The store and its worker socket, from start to an orderly end: no new workers, what is only in memory to disk.
struct StoreService: Service {
  /// Between two status lines of a drain.
  private static let turnMs = 500
  /// What an end may take beside the drain: workers hung up on, writes begun.
  static let endS = 15

  let engine: Engine
  let server: WorkerServer
  let drainDeadlineS: Int
  let notifier: Notifier
  let logger: Logger

  func run() async throws {
    try? await gracefulShutdown()
    server.stop()
    let left = drain()
    if left > 0, engine.spill != nil {
      logger.warning(
        "stopping with blocks that are not on disk: they will be computed again; raise drain_deadline where that costs more",
        metadata: ["blocks": "\(left)", "drain_deadline_s": "\(drainDeadlineS)"])
    }
    engine.stop()
  }

  /// Answers what is left.
  private func drain() -> Int {
    let end = MonotonicClock.nowMs() + UInt64(drainDeadlineS) * 1000
    while true {
      let now = MonotonicClock.nowMs()
      let left = engine.drain(deadlineMs: Int(min(UInt64(Self.turnMs), now < end ? end - now : 0)))
      guard left > 0, engine.spill != nil, MonotonicClock.nowMs() < end else { return left }
      notifier.tell([.status("stopping: \(left) blocks left to write to disk")])
    }
  }
}
