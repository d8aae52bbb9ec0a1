import ControlAPI
import ControlClient
import FoundationEssentials
import Glibc
import TierTesting

/// The daemon under test: one of this run's own, or one that runs already, which is never signalled.
final class Tierd {
  let socketPath: String
  let control: ControlClient
  private let program: String
  private let arguments: [String]
  private let errorPath: String
  private var process: ChildProcess?
  /// Keeps its memory and its worker socket over its lives; nil where nobody does.
  private let manager: KeepingManager?

  private static let startSecondsMax = 15.0
  private static let stopSecondsMax = 25.0

  /// Starts one in `place`; returns when it answers. `keepsMemory`: under a service manager that keeps descriptors.
  init(
    program: String, budgets: Budgets, place: String, flags: [String], keepsMemory: Bool = false
  ) throws(StressFault) {
    socketPath = place + "/run/worker.sock"
    manager = keepsMemory ? try Self.manage(socketPath, in: place + "/run") : nil
    control = ControlClient(socketPath: place + "/run/control.sock", timeoutMs: 10_000)
    self.program = program
    errorPath = place + "/tierd.log"
    arguments =
      [
        "--runtime-dir", place + "/run", "--state-dir", place + "/state", "--device", "emulated", "--device-budget",
        "\(budgets.deviceBytes)", "--host-budget", "\(budgets.hostBytes)", "--disk-budget", "\(budgets.diskBytes)",
        "--log-level", "notice",
      ] + flags
    try start()
  }

  /// One that runs; its control socket lies beside its worker socket.
  init(socketPath: String) throws(StressFault) {
    self.socketPath = socketPath
    let directory = socketPath.lastIndex(of: "/").map { String(socketPath[..<$0]) } ?? "."
    control = ControlClient(socketPath: directory + "/" + RuntimePaths.controlSocketName, timeoutMs: 10_000)
    (program, arguments, errorPath) = ("", [], "")
    manager = nil
    _ = try status()
  }

  /// Whether it was started here, and may be killed.
  var isOwn: Bool { !program.isEmpty }

  private static func manage(_ socketPath: String, in directory: String) throws(StressFault) -> KeepingManager {
    mkdir(directory, 0o750)
    do { return try KeepingManager(workerSocketPath: socketPath) } catch {
      throw .io("cannot listen at \(socketPath): \(error)")
    }
  }

  private func launch() throws(StressFault) -> ChildProcess {
    guard let manager else { return try ChildProcess(program, arguments, errorPath: errorPath) }
    let (environment, descriptors) = manager.activation()
    // The shell's own process becomes the daemon's: only it knows the id in time.
    return try ChildProcess(
      "/bin/sh", ["-c", "LISTEN_PID=$$ exec \"$@\"", "sh", program] + arguments, errorPath: errorPath,
      environment: environment, passed: descriptors)
  }

  func start() throws(StressFault) {
    let process = try launch()
    self.process = process
    let startNs = Clock.nowNs()
    while true {
      if process.poll() != nil { throw .failed("tierd ended at its start: \(lastWords)") }
      // The control socket is the last thing it opens.
      if (try? status()) != nil { return }
      guard Clock.seconds(since: startNs) < Self.startSecondsMax else {
        throw .failed("tierd did not answer within \(Self.startSecondsMax) s; \(lastWords)")
      }
      usleep(2000)
    }
  }

  /// kill -9, and gone when this returns.
  func kill() throws(StressFault) {
    process?.send(SIGKILL)
    guard let process, process.wait(seconds: 10) != nil else { throw .failed("tierd did not die of SIGKILL") }
    manager?.takeIn()
  }

  /// As a service manager stops it. Throws where it does not end well.
  func stop() throws(StressFault) {
    guard let process else { return }
    process.send(SIGTERM)
    let ending = process.wait(seconds: Self.stopSecondsMax)
    guard ending == .exited(0) else {
      let how = ending.map { "\($0)" } ?? "still running after \(Self.stopSecondsMax) s"
      throw .failed("tierd was asked to stop: \(how); \(lastWords)")
    }
  }

  /// Throws where it has ended by itself.
  func requireRunning() throws(StressFault) {
    if let ending = process?.poll() { throw .failed("tierd ended by itself: \(ending); \(lastWords)") }
  }

  func status() throws(StressFault) -> StatusReply { try get(.status) }
  func sessions() throws(StressFault) -> [SessionStatus] { try (get(.sessions) as SessionsReply).sessions }

  /// What it takes of the machine.
  func reading() throws(StressFault) -> ProcessReading { try ProcessReading(pid: try pid()) }

  func pid() throws(StressFault) -> pid_t {
    if let process { return process.pid }
    return try status().pid
  }

  private func get<Reply: Decodable>(_ route: ControlRoute) throws(StressFault) -> Reply {
    do throws(ControlClientError) {
      return try control.get(route, as: Reply.self)
    } catch { throw .failed("the control socket: \(error.message)") }
  }

  private var lastWords: String {
    guard let log = FileManager.default.contents(atPath: errorPath), !log.isEmpty else { return "it said nothing" }
    return "it said last: "
      + String(decoding: log.suffix(2000), as: UTF8.self).split(separator: "\n").suffix(3).joined(
        separator: " / ")
  }
}

/// What a daemon may hold.
struct Budgets {
  var deviceBytes: Int
  var hostBytes: Int
  var diskBytes: Int
}
