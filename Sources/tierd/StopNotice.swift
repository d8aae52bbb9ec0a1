import ServiceLifecycle
import ServiceManager

/// The first of the daemon's parts to stop: says so, and how long the others may take. A unit whose TimeoutStopSec= is
/// shorter than the configured drain does not cut the drain off.
struct StopNotice: Service {
  let notifier: Notifier
  let drainDeadlineS: Int

  func run() async throws {
    try? await gracefulShutdown()
    notifier.tell([
      .stopping, .status("stopping: writing to disk what is only in memory"),
      .extendTimeout(.seconds(drainDeadlineS + StoreService.endS)),
    ])
  }
}
