import Logging
import ServiceManager
import Synchronization

/// Tells the service manager, and the log where that fails: once, until it works again.
final class Notifier: Sendable {
  let manager: ServiceManager
  private let logger: Logger
  private let failure = Mutex<ServiceManagerError?>(nil)

  init(_ manager: ServiceManager, _ logger: Logger) {
    self.manager = manager
    self.logger = logger
  }

  func tell(_ states: [ServiceState]) {
    var fault: ServiceManagerError?
    do throws(ServiceManagerError) { try manager.notify(states) } catch { fault = error }
    let isNews = failure.withLock { failure in
      defer { failure = fault }
      return (failure == nil) != (fault == nil)
    }
    guard isNews else { return }
    if let fault {
      logger.error("\(fault.message); it may take this daemon for dead")
    } else {
      logger.notice("the service manager listens again")
    }
  }
}
