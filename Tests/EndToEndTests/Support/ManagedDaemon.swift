import CLinux
import Foundation
import Glibc
import Testing
import TierTesting

/// `tierd` as a service manager runs it: told of what it says, its worker socket passed, its configuration a file.
final class ManagedDaemon {
  let process: ChildProcess
  let manager: FakeManager
  let workerSocket: String
  let controlSocket: String
  let configuration: String
  private let home: Workspace
  private(set) var said: [[String]] = []

  /// What the socket unit makes and passes.
  enum Passed {
    case nothing
    case workerSocket(name: String)
    /// A socket that is none workers can connect to.
    case stream
    /// Memory that a daemon before it stored.
    case memory(name: String)
  }

  init(
    _ passed: Passed, configuration text: String = "", environment: [String: String] = [:], in home: Workspace
  ) throws {
    self.home = home
    manager = try FakeManager()
    let place = try home.makeDirectory("service")
    let runtime = try home.makeDirectory("service/run")
    chmod(runtime, 0o750)
    (workerSocket, controlSocket) = (runtime + "/worker.sock", runtime + "/control.sock")
    configuration = try home.write("service/tierd.yaml", Data(text.utf8))
    var all = ["NOTIFY_SOCKET": manager.address, "RUNTIME_DIRECTORY": runtime, "STATE_DIRECTORY": place + "/state"]
    // The shell's own process becomes the daemon's: only it knows the id in time.
    var script = "exec \"$@\""
    var socket: (descriptor: Int32, name: String)?
    switch passed {
    case .nothing: break
    case .workerSocket(let name): socket = (try Self.listen(tierd_socket(), workerSocket), name)
    case .stream:
      socket = (try Self.listen(Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0), workerSocket), "worker")
    case .memory(let name): socket = (tierd_memfd_create("test", 1 << 16), name)
    }
    if let socket {
      (all["LISTEN_FDS"], all["LISTEN_FDNAMES"]) = ("1", socket.name)
      script = "LISTEN_PID=$$ exec \"$@\""
    }
    defer { if let socket { close(socket.descriptor) } }
    process = try ChildProcess(
      "/bin/sh", ["-c", script, "sh", Programs.path(of: "tierd"), "--config", configuration], in: home,
      environment: all.merging(environment) { $1 }, inherited: socket?.descriptor)
  }

  private static func listen(_ socket: Int32, _ path: String) throws -> Int32 {
    try #require(tierd_bind(socket, path, 0o660) == 0 && Glibc.listen(socket, 16) == 0)
    return socket
  }

  /// Whether it says this line within the time; what it says before is kept in `said`.
  func says(_ line: String, seconds: Double = 10) -> Bool { says(seconds: seconds) { $0.contains(line) } }

  func says(seconds: Double = 10, _ isIt: ([String]) -> Bool) -> Bool {
    eventually(seconds: seconds) {
      while let message = manager.next() {
        for descriptor in message.descriptors { close(descriptor) }
        said.append(message.lines)
        if isIt(message.lines) { return true }
      }
      return false
    }
  }

  func configure(_ text: String) throws { _ = try home.write("service/tierd.yaml", Data(text.utf8)) }

  func control(_ arguments: String...) throws -> ChildProcess.Outcome {
    try ChildProcess(Programs.path(of: "tierctl"), ["--socket", controlSocket] + arguments, in: home).wait(seconds: 10)
  }
}
