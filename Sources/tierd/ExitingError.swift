import ControlServer
import DaemonConfig
import Glibc

/// An error the user can act on: one line, and an exit code of sysexits.
protocol ExitingError: Error {
  var message: String { get }
  var exitCode: Int32 { get }
}

extension ConfigurationFault: ExitingError {
  var exitCode: Int32 { 78 }
}

extension SocketPath.Fault: ExitingError {
  var exitCode: Int32 { 78 }
}

/// The daemon cannot have its places.
enum PlaceFault: ExitingError, Equatable {
  /// The directory is not this user's alone to change.
  case unsafe(String)
  /// Another daemon has it.
  case taken(String)
  case inputOutput(String)

  var message: String {
    switch self {
    case .unsafe(let text), .taken(let text), .inputOutput(let text): text
    }
  }

  var exitCode: Int32 {
    switch self {
    case .unsafe: 78
    case .taken: 75
    case .inputOutput: 74
    }
  }
}

/// Unbuffered. A closed stderr is nobody's loss.
func writeToStandardError(_ text: String) {
  var text = text
  text.withUTF8 { bytes in
    var written = 0
    while written < bytes.count {
      let n = write(STDERR_FILENO, bytes.baseAddress! + written, bytes.count - written)
      if n < 0 && errno != EINTR { return }
      written += max(0, n)
    }
  }
}
