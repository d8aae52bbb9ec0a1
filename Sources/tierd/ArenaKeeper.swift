import Logging
import ServiceManager
import Synchronization
import TierEngine

/// Has the service manager keep the store's memory, so that the next process of the service takes it over.
final class ArenaKeeper: MemoryKeeper {
  private let manager: ServiceManager
  private let logger: Logger
  private let hasFailed = Mutex(false)

  /// Nil where no service manager listens: memory then ends with the daemon.
  init?(_ manager: ServiceManager, _ logger: Logger) {
    guard manager.isPresent else { return nil }
    self.manager = manager
    self.logger = logger
  }

  func keep(_ descriptor: Int32, name: String) {
    attempt("a restart will not find \(name) again") { () throws(ServiceManagerError) in
      try manager.storeDescriptor(descriptor, name: name)
    }
  }

  func drop(name: String) {
    attempt("\(name) stays stored") { () throws(ServiceManagerError) in try manager.removeDescriptors(name: name) }
  }

  /// The log is told of the first failure, and again once it has worked in between.
  private func attempt(_ consequence: String, _ body: () throws(ServiceManagerError) -> Void) {
    do throws(ServiceManagerError) {
      try body()
      hasFailed.withLock { $0 = false }
    } catch {
      let isNews = hasFailed.withLock { failed in
        defer { failed = true }
        return !failed
      }
      if isNews { logger.warning("\(error.message): \(consequence)") }
    }
  }
}
