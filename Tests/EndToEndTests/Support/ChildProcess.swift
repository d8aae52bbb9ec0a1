import Foundation
import Testing

/// A program a test started. Its output goes to files, so that it never waits for a reader and a killed one's is there
/// too. It does not outlive its test: whoever lets go of it kills it.
final class ChildProcess {
  let pid: pid_t
  let name: String
  private let outputPath: String
  private let errorPath: String
  private let leadsGroup: Bool
  private var ending: Ending?

  enum Ending: Equatable {
    case exited(Int32)
    case killed(bySignal: Int32)
  }

  /// What a program that has ended left behind.
  struct Outcome {
    let ending: Ending
    let output: String
    let error: String

    /// Lines on standard error that say something.
    var errorLines: [Substring] { error.split(whereSeparator: \.isNewline) }
  }

  struct TimedOut: Error, CustomStringConvertible {
    let description: String
  }

  /// - Parameters:
  ///   - home: what the program sees as its home, temporary and runtime directories.
  ///   - leadsGroup: gives it a process group, to be signalled whole, as a terminal does on Ctrl-C.
  ///   - inherited: a descriptor it gets as its number 3, as socket activation passes it.
  init(
    _ executable: String, _ arguments: [String], in home: Workspace, environment: [String: String] = [:],
    leadsGroup: Bool = false, inherited: Int32? = nil
  ) throws {
    name = String(executable.split(separator: "/").last ?? "")
    let files = home.path + "/out/" + UUID().uuidString
    outputPath = files + ".out"
    errorPath = files + ".err"
    self.leadsGroup = leadsGroup
    var spawn = try Spawn(leadsGroup: leadsGroup)
    spawn.redirect(STDIN_FILENO, to: "/dev/null", O_RDONLY)
    spawn.redirect(STDOUT_FILENO, to: outputPath, O_WRONLY | O_CREAT | O_TRUNC)
    spawn.redirect(STDERR_FILENO, to: errorPath, O_WRONLY | O_CREAT | O_TRUNC)
    if let inherited { spawn.pass(inherited, as: 3) }
    pid = try spawn.start(executable, arguments, home.environment.merging(environment) { $1 })
  }

  deinit {
    guard poll() == nil else { return }
    kill(leadsGroup ? -pid : pid, SIGKILL)
    var status: Int32 = 0
    while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
  }

  var output: String { Self.text(outputPath) }
  var error: String { Self.text(errorPath) }
  var isRunning: Bool { poll() == nil }

  /// To the program alone; to its whole group with `toGroup`.
  func send(_ signal: Int32, toGroup: Bool = false) {
    // A process that was waited for is none any more, and its id may be somebody else's.
    guard poll() == nil else { return }
    kill(toGroup && leadsGroup ? -pid : pid, signal)
  }

  /// Waits until it ends. Throws `TimedOut`, and kills it, where that takes longer.
  @discardableResult
  func wait(seconds: Double) throws -> Outcome {
    guard let ending = eventually(seconds: seconds, { self.poll() }) else {
      send(SIGKILL, toGroup: true)
      throw TimedOut(description: "\(name) still ran after \(seconds) s; on its standard error: \(error.suffix(2000))")
    }
    return Outcome(ending: ending, output: output, error: error)
  }

  private func poll() -> Ending? {
    if ending != nil { return ending }
    var status: Int32 = 0
    guard waitpid(pid, &status, WNOHANG) == pid else { return nil }
    let signal = status & 0x7F
    ending = signal == 0 ? .exited(status >> 8 & 0xFF) : .killed(bySignal: signal)
    return ending
  }

  private static func text(_ path: String) -> String {
    String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
  }
}

/// Asks until there is an answer; nil where there is none in time.
func eventually<Answer>(seconds: Double, _ ask: () throws -> Answer?) rethrows -> Answer? {
  let clock = ContinuousClock()
  let deadline = clock.now + .seconds(seconds)
  while true {
    if let answer = try ask() { return answer }
    guard clock.now < deadline else { return nil }
    usleep(2000)
  }
}

/// Asks until it is so; false where it is not in time.
func eventually(seconds: Double, _ ask: () throws -> Bool) rethrows -> Bool {
  try eventually(seconds: seconds) { try ask() ? true : nil } ?? false
}
