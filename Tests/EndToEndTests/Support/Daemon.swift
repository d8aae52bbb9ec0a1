import ControlAPI
import ControlClient
import Foundation
import TierCore

/// `tierd` in a place of its own within a workspace, ready when it is made. Made again with the same name it finds the
/// state the one before left.
final class Daemon {
  let process: ChildProcess
  let workerSocket: String
  let controlSocket: String
  private let home: Workspace

  /// What a daemon may hold. The device is emulated.
  struct Budgets {
    var device = "1GiB"
    var host = "1GiB"
    var disk = "1GiB"
    var link = "unlimited"

    /// Everything the tests read stays on the device.
    static let ample = Budgets()
  }

  private static let startSeconds = 10.0
  private static let stopSeconds = 15.0

  /// - Parameter flags: further ones.
  init(
    _ name: String = "daemon", _ budgets: Budgets = .ample, _ flags: [String] = [], in home: Workspace
  ) throws {
    self.home = home
    let runtime = home.path + "/" + name + "/run"
    workerSocket = runtime + "/worker.sock"
    controlSocket = runtime + "/control.sock"
    process = try Self.start(name, Self.flags(budgets) + flags, in: home)
    let isReady = try eventually(seconds: Self.startSeconds) {
      guard process.isRunning else { throw NotReady(description: "tierd ended at its start: \(process.error)") }
      return try access(workerSocket, F_OK) == 0 && access(controlSocket, F_OK) == 0
        && control("status").ending == .exited(0)
    }
    guard isReady else { throw NotReady(description: "tierd did not answer: \(process.error)") }
  }

  struct NotReady: Error, CustomStringConvertible {
    let description: String
  }

  static func flags(_ budgets: Budgets) -> [String] {
    [
      "--device", "emulated", "--device-budget", budgets.device, "--host-budget", budgets.host,
      "--disk-budget", budgets.disk, "--emulated-link", budgets.link,
    ]
  }

  /// Starts `tierd` with its places below `name`; whether it comes up is the caller's to see.
  static func start(_ name: String, _ flags: [String], in home: Workspace) throws -> ChildProcess {
    let place = try home.makeDirectory(name)
    return try ChildProcess(
      Programs.path(of: "tierd"),
      ["--runtime-dir", place + "/run", "--state-dir", place + "/state", "--log-level", "notice"] + flags, in: home)
  }

  /// `tierctl`, to its end.
  func control(_ arguments: String...) throws -> ChildProcess.Outcome {
    try ChildProcess(Programs.path(of: "tierctl"), ["--socket", controlSocket] + arguments, in: home).wait(seconds: 10)
  }

  func status() throws -> StatusReply { try reply("status") }

  func sessions() throws -> [SessionStatus] { try (reply("sessions") as SessionsReply).sessions }

  /// What a scrape would get.
  func metrics() throws -> String { try ControlClient(socketPath: controlSocket).text(.metrics) }

  /// `tierctl verify` to its end: its code and what it found.
  func verify() throws -> (code: Int32, reply: VerificationReply) {
    let outcome = try control("--json", "verify")
    guard case .exited(let code) = outcome.ending, !outcome.output.isEmpty else {
      throw NotReady(description: "tierctl verify: \(outcome.error)")
    }
    return (code, try ControlJSON.decode(VerificationReply.self, from: Data(outcome.output.utf8)))
  }

  private func reply<Reply: Decodable>(_ command: String) throws -> Reply {
    let outcome = try control("--json", command)
    guard outcome.ending == .exited(0) else { throw NotReady(description: "tierctl \(command): \(outcome.error)") }
    return try ControlJSON.decode(Reply.self, from: Data(outcome.output.utf8))
  }

  /// What the descriptors are that the daemon has open, the files of its spill aside.
  var descriptors: [String] {
    let directory = "/proc/\(process.pid)/fd"
    let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
    return names.compactMap { try? FileManager.default.destinationOfSymbolicLink(atPath: directory + "/" + $0) }
      .filter { !$0.contains("/spill/") }
  }

  /// As systemd stops it.
  @discardableResult
  func stop() throws -> ChildProcess.Outcome {
    process.send(SIGTERM)
    return try process.wait(seconds: Self.stopSeconds)
  }
}
