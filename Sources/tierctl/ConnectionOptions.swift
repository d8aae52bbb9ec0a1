import ArgumentParser
import ControlAPI
import ControlClient
import FoundationEssentials
import Glibc

/// Which daemon, and for whom the output is. Taken before or after the subcommand's name.
struct ConnectionOptions: ParsableArguments {
  @Option(
    help: .init(
      "The daemon's control socket (default: $TIERCTL_SOCKET, else the one of this user's tierd, else root's).",
      valueName: "path"))
  var socket: String?

  @Flag(help: "Print the daemon's answer as JSON.")
  var json = false

  var client: ControlClient { ControlClient(socketPath: socket ?? Self.defaultSocket) }

  private static var defaultSocket: String {
    let environment = ProcessInfo.processInfo.environment
    if let path = environment["TIERCTL_SOCKET"], !path.isEmpty { return path }
    let candidates = [geteuid(), 0].compactMap {
      RuntimePaths.runtimeDirectory(uid: $0, environment: environment).map { $0 + "/" + RuntimePaths.controlSocketName }
    }
    return candidates.first { access($0, F_OK) == 0 } ?? candidates[0]
  }

  /// Prints the reply as JSON where that was asked for, else as `view` makes it.
  func show<Reply: Encodable>(_ reply: Reply, _ view: (Reply) -> String) throws {
    print(json ? String(decoding: try ControlJSON.encodePretty(reply), as: UTF8.self) : view(reply))
  }
}

/// Runs `body`; what goes wrong becomes one line on stderr and an exit code of sysexits.
func reporting(_ body: () throws -> Void) throws {
  do {
    try body()
  } catch let error as ControlClientError {
    writeToStandardError("tierctl: \(error.message)\n")
    throw ExitCode(exitCode(error))
  }
}

func exitCode(_ error: ControlClientError) -> Int32 {
  switch error {
  case .unavailable: 69
  case .timedOut: 75
  case .malformed: 70
  case .refused(let status, _):
    switch status {
    case 403: 77
    case 409, 503: 75
    case 400..<500: 64
    default: 70
    }
  }
}
