import Logging
import ServiceLifecycle
import ServiceManager
import TierCore
import TierEngine

/// Tells the service manager that the store gets on, as long as it does: every mover that has work finishes some of it
/// within its deadline, and the engine gets its turns. Idle is healthy. Where a part is stuck the manager is told so, hears
/// no more of us, and starts the daemon anew; without a manager the log says what to do.
struct WatchdogService: Service {
  let engine: Engine
  /// Workers connected now.
  let workers: @Sendable () -> Int
  let notifier: Notifier
  let logger: Logger

  private static let longestInterval = Duration.seconds(2)
  /// Between two status lines.
  private static let statusEvery = Duration.seconds(5)

  func run() async throws {
    await cancelWhenGracefulShutdown { await watch() }
  }

  private func watch() async {
    let wanted = notifier.manager.watchdogInterval.map { $0 / 4 } ?? Self.longestInterval
    let interval = min(wanted, Self.longestInterval)
    var detector = StallDetector(intervalMs: UInt64(interval / .milliseconds(1)))
    var stuck: [String] = []
    var status = ("", nextAt: ContinuousClock.now)
    while (try? await Task.sleep(for: interval)) != nil {
      let stalls = detector.look(engine.progress(), nowMs: MonotonicClock.nowMs())
      if stalls.isEmpty { notifier.tell([.watchdog]) }
      if stalls.map(\.name) != stuck { tell(stalls) }
      stuck = stalls.map(\.name)
      guard stalls.isEmpty, ContinuousClock.now >= status.nextAt else { continue }
      let line = statusLine()
      if line != status.0 { notifier.tell([.status(line)]) }
      status = (line, ContinuousClock.now + Self.statusEvery)
    }
  }

  private func tell(_ stalls: [Stall]) {
    guard let first = stalls.first else { return logger.notice("the store gets on again") }
    for stall in stalls {
      logger.critical(
        "a part of the store is stuck; the service manager starts the daemon anew, by hand stop it with SIGKILL",
        metadata: ["part": "\(stall.name)", "unfinished": "\(stall.unfinished)", "for_s": "\(stall.forMs / 1000)"])
    }
    notifier.tell([.watchdogTrigger, .status("stuck: \(first.name) has finished nothing for \(first.forMs / 1000) s")])
  }

  private func statusLine() -> String {
    let now = engine.statistics()
    let tiers = [("device", now.device), ("host", now.host), ("disk", now.disk)].filter { $0.1.budgetBytes > 0 }
      .map { "\($0.0) \(ByteCount.text($0.1.usedBytes)) of \(ByteCount.text($0.1.budgetBytes))" }
    return "serving \(workers()) workers; " + tiers.joined(separator: ", ")
  }
}
