import ControlAPI
import DaemonConfig
import Logging
import ServiceLifecycle

/// What runs besides the control socket.
struct DaemonParts {
  /// What the control socket reads and steers.
  var store: any ControlledStore
  /// Started in this order before the control socket, stopped after it in the reverse one.
  var services: [any Service]
}

/// Makes the store and the worker socket's server. Throws an `ExitingError` where they cannot be had.
func makeDaemonParts(_ configuration: DaemonConfiguration, logger: Logger) throws -> DaemonParts {
  DaemonParts(store: IdleStore(configuration), services: [])
}
