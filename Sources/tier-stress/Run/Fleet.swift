import Glibc
import TierTesting

/// The workers of a run: real processes, each of which is replaced when it is killed.
final class Fleet {
  struct Member {
    let process: ChildProcess
    /// Stopped until then; 0 where it runs.
    var stoppedUntilNs: Int64 = 0
  }

  private(set) var members: [Member] = []
  private(set) var tally = Tally()
  /// What workers found wrong.
  private(set) var failures: [String] = []
  private let program: String
  private let arguments: [String]
  private var started: UInt64
  private let seed: UInt64

  /// More would only repeat themselves.
  private static let failuresMax = 20
  private static let endSecondsMax = 90.0

  init(_ settings: WorkerSettings, count: Int) throws(StressFault) {
    program = settings.program
    arguments = settings.arguments
    seed = settings.seed
    started = 0
    for _ in 0..<count { try add() }
  }

  private func add() throws(StressFault) {
    started += 1
    members.append(
      Member(process: try ChildProcess(program, arguments + ["--seed", "\(seed &* 7919 &+ started)"])))
  }

  /// Takes in what workers say; replaces those that ended well; a stopped one goes on when its time has come.
  func attend() throws(StressFault) {
    for index in members.indices.reversed() {
      let process = members[index].process
      if members[index].stoppedUntilNs > 0, members[index].stoppedUntilNs <= Clock.nowNs() { resume(index) }
      let ending = process.poll()
      take(process.lines())
      guard let ending else { continue }
      if ending != .exited(0) { note("a worker ended by itself: \(ending)") }
      members.remove(at: index)
      try add()
    }
  }

  private func take(_ lines: [Substring]) {
    for line in lines {
      let rest = line.dropFirst(2)
      switch line.first {
      case "T":
        guard let part = Tally(line: rest) else { return note("a worker said '\(line)'") }
        tally.add(part)
      case "W": note("wrong bytes: \(rest)")
      default: note(String(rest))
      }
    }
  }

  private func note(_ failure: String) { if failures.count < Self.failuresMax { failures.append(failure) } }

  /// Kills a worker, stopped or not, and starts another in its place. Answers its process and when.
  func kill(_ index: Int) throws(StressFault) -> (pid: pid_t, atNs: Int64) {
    let process = members[index].process
    let atNs = Clock.nowNs()
    process.send(SIGKILL)
    members.remove(at: index)
    killed.append(process)
    try add()
    return (process.pid, atNs)
  }

  /// What the killed said until then still counts; they are reaped when it has been read.
  private var killed: [ChildProcess] = []

  func reap() {
    killed.removeAll { process in
      guard process.poll() != nil else { return false }
      take(process.lines())
      return true
    }
  }

  func stop(_ index: Int, forMs milliseconds: Int) {
    guard members[index].stoppedUntilNs == 0 else { return }
    members[index].process.send(SIGSTOP)
    members[index].stoppedUntilNs = Clock.nowNs() + Int64(milliseconds) * 1_000_000
  }

  private func resume(_ index: Int) {
    members[index].process.send(SIGCONT)
    members[index].stoppedUntilNs = 0
  }

  /// Lets every worker finish what it is at.
  func end() {
    for index in members.indices {
      resume(index)
      members[index].process.closeInput()
    }
    let startNs = Clock.nowNs()
    while !members.isEmpty, Clock.seconds(since: startNs) < Self.endSecondsMax {
      members.removeAll { member in
        let ending = member.process.poll()
        take(member.process.lines())
        if let ending, ending != .exited(0) { note("a worker ended by itself: \(ending)") }
        return ending != nil
      }
      usleep(5000)
    }
    if !members.isEmpty { note("\(members.count) workers had not ended after \(Self.endSecondsMax) s") }
    members.removeAll()
    reap()
  }
}

/// How this program starts itself as a worker.
struct WorkerSettings {
  var socketPath: String
  var seed: UInt64
  var maxBlocks: Int
  var lingering: Int
  var falsifyOneReadIn = 0

  var program: String { "/proc/self/exe" }
  var arguments: [String] {
    [
      "--child", "worker", "--socket", socketPath, "--world-seed", "\(seed)", "--max-blocks", "\(maxBlocks)",
      "--lingering", "\(lingering)", "--test-falsify-one-read-in", "\(falsifyOneReadIn)",
    ]
  }
}
