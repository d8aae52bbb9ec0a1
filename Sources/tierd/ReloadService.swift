import ControlAPI
import DaemonConfig
import Logging
import ServiceLifecycle
import ServiceManager
import UnixSignals

/// Reads the configuration again on every SIGHUP. One that is no good changes nothing and is told, in log and status.
struct ReloadService: Service {
  let source: ConfigurationSource
  let initial: ConfigurationSource.Loaded
  let store: any ControlledStore
  let level: LogLevel
  let notifier: Notifier
  let logger: Logger

  func run() async throws {
    var current = initial
    for await _ in await UnixSignalsSequence(trapping: .sighup).cancelOnGracefulShutdown() {
      notifier.tell([.reloading, .status("reloading the configuration")])
      let outcome = reload(&current)
      notifier.tell([.ready, .status(outcome)])
    }
  }

  private func reload(_ current: inout ConfigurationSource.Loaded) -> String {
    do {
      let new = try source.load()
      let reload = try Reload(from: current, to: new, store: store, level: level)
      current = new
      logger.notice("configuration reloaded: \(reload.summary)")
      return "serving; reloaded: \(reload.summary)"
    } catch let fault as ConfigurationFault {
      return keep(fault.message)
    } catch let refusal as ControlError {
      return keep(refusal.message)
    } catch {
      return keep("\(error)")
    }
  }

  private func keep(_ why: String) -> String {
    logger.error("the configuration stays as it was: \(why)")
    return "serving; not reloaded: \(why)"
  }
}
