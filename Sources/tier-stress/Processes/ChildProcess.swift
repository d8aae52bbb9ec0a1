import Glibc

/// A program this one started, with pipes to and from it. It is killed with the last reference, if it still runs.
final class ChildProcess {
  enum Ending: Equatable {
    case exited(Int32)
    case killed(signal: Int32)
  }

  let pid: pid_t
  private var input: Int32
  private let output: Int32
  private var ending: Ending?
  private var said: [UInt8] = []

  /// - Parameters:
  ///   - errorPath: where its standard error goes; nil for this program's own.
  ///   - environment: entries beyond this program's own.
  ///   - passed: what it has from descriptor 3 on.
  init(
    _ program: String, _ arguments: [String], errorPath: String? = nil, environment: [String] = [], passed: [Int32] = []
  ) throws(StressFault) {
    let (theirInput, input) = try Self.pipeEnds()
    let (output, theirOutput) = try Self.pipeEnds()
    defer {
      close(theirInput)
      close(theirOutput)
    }
    (self.input, self.output) = (input, output)
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, theirInput, STDIN_FILENO)
    posix_spawn_file_actions_adddup2(&actions, theirOutput, STDOUT_FILENO)
    // Away from where they go: one must not be overwritten before it is passed on.
    let high = passed.map { fcntl($0, F_DUPFD_CLOEXEC, 512) }
    defer { for descriptor in high { close(descriptor) } }
    for (index, descriptor) in high.enumerated() {
      posix_spawn_file_actions_adddup2(&actions, descriptor, Int32(3 + index))
    }
    if let errorPath {
      posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, errorPath, O_WRONLY | O_CREAT | O_APPEND, 0o600)
    }
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    // Signals are this program's to pass on: a Ctrl-C must not reach the children before it.
    var all = sigset_t()
    sigfillset(&all)
    posix_spawnattr_setsigdefault(&attributes, &all)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))
    var argv = ([program] + arguments).map { strdup($0) } + [nil]
    var envp = environment.map { strdup($0) } + Self.inherited() + [nil]
    defer { for text in argv + envp { free(text) } }
    var pid = pid_t()
    let code = posix_spawn(&pid, program, &actions, &attributes, &argv, &envp)
    self.pid = pid
    guard code == 0 else {
      ending = .exited(127)
      throw .missing("cannot start \(program): \(errorText(code))")
    }
    _ = fcntl(output, F_SETFL, O_NONBLOCK)
  }

  deinit {
    closeInput()
    if poll() == nil {
      kill(pid, SIGKILL)
      while waitpid(pid, nil, 0) < 0 && errno == EINTR {}
    }
    close(output)
  }

  private static func pipeEnds() throws(StressFault) -> (read: Int32, write: Int32) {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { throw .io("cannot make a pipe: \(errorText(errno))") }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    return (ends[0], ends[1])
  }

  private static func inherited() -> [UnsafeMutablePointer<CChar>?] {
    var entries: [UnsafeMutablePointer<CChar>?] = []
    var next = environ
    while let entry = next.pointee {
      entries.append(strdup(entry))
      next += 1
    }
    return entries
  }

  /// Does nothing once it has ended: its id may be somebody else's by then.
  func send(_ signal: Int32) {
    guard poll() == nil else { return }
    kill(pid, signal)
  }

  func write(_ line: String) {
    var line = line + "\n"
    // A child that is gone is found out by its ending.
    line.withUTF8 { _ = Glibc.write(input, $0.baseAddress, $0.count) }
  }

  /// Tells it to end: workers go when nobody can talk to them any more.
  func closeInput() {
    guard input >= 0 else { return }
    close(input)
    input = -1
  }

  /// The whole lines it has said since the last call. Does not wait.
  func lines() -> [Substring] {
    var part = [UInt8](repeating: 0, count: 16 << 10)
    while true {
      let count = read(output, &part, part.count)
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { break }
      said += part[..<count]
    }
    guard let end = said.lastIndex(of: UInt8(ascii: "\n")) else { return [] }
    defer { said.removeFirst(end + 1) }
    return String(decoding: said[..<end], as: UTF8.self).split(separator: "\n")
  }

  /// How it ended, if it has.
  func poll() -> Ending? {
    if ending != nil { return ending }
    var status: Int32 = 0
    guard waitpid(pid, &status, WNOHANG) == pid else { return nil }
    let signal = status & 0x7F
    ending = signal == 0 ? .exited(status >> 8 & 0xFF) : .killed(signal: signal)
    return ending
  }

  /// Waits for its end; nil where it does not come in time.
  func wait(seconds: Double) -> Ending? {
    let startNs = Clock.nowNs()
    while Clock.seconds(since: startNs) < seconds {
      if let ending = poll() { return ending }
      usleep(2000)
    }
    return poll()
  }
}
