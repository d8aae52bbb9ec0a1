import TierSpill
import TierWire

/// The daemon cannot have its store.
enum StoreFault: ExitingError, Equatable {
  case configuration(String)
  case socket(String)
  case taken(String)
  case inputOutput(String)
  case device(String)

  init(_ error: SpillError) {
    self =
      switch error {
      case .capTooSmall, .unsafeDirectory, .blockTooLarge: .configuration(error.message)
      case .locked: .taken(error.message)
      default: .inputOutput(error.message)
      }
  }

  init(_ error: WorkerServerError) {
    self =
      switch error {
      case .taken: .taken(error.description)
      case .system: .inputOutput(error.description)
      default: .socket(error.description)
      }
  }

  var message: String {
    switch self {
    case .configuration(let text), .socket(let text), .taken(let text), .inputOutput(let text), .device(let text): text
    }
  }

  var exitCode: Int32 {
    switch self {
    case .configuration, .socket, .device: 78
    case .taken: 75
    case .inputOutput: 74
    }
  }
}
