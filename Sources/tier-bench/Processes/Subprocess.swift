import Glibc

/// A program this one started. It ends at the latest with the last reference.
final class Subprocess {
  enum Ending: Equatable {
    case exited(Int32)
    case killed(signal: Int32)
    case timedOut
  }

  let name: String
  private let pid: pid_t
  private let errorPath: String
  private var ending: Ending?
  /// Lines to and from it, where asked for.
  let pipe: LinePipe?

  /// - Parameters:
  ///   - arguments: after the program's name.
  ///   - environment: added to this process's own.
  ///   - outputPath: where its standard output goes; nil for a pipe, with another as its standard input.
  ///   - errorPath: where its standard error goes; shown where it fails.
  init(
    _ program: String, _ arguments: [String], environment: [String: String] = [:], outputPath: String?,
    errorPath: String
  ) throws(BenchFault) {
    name = program.split(separator: "/").last.map(String.init) ?? program
    self.errorPath = errorPath
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    let flags = O_WRONLY | O_CREAT | O_TRUNC
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, errorPath, flags, 0o600)
    var theirs: (input: Int32, output: Int32)?
    if let outputPath {
      pipe = nil
      posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
      posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, outputPath, flags, 0o600)
    } else {
      let (mine, far) = try LinePipe.make()
      pipe = mine
      theirs = far
      posix_spawn_file_actions_adddup2(&actions, far.input, STDIN_FILENO)
      posix_spawn_file_actions_adddup2(&actions, far.output, STDOUT_FILENO)
    }
    defer {
      if let theirs {
        close(theirs.input)
        close(theirs.output)
      }
    }
    pid = try Self.spawn(program, arguments, environment, &actions)
    Interruption.began(pid)
  }

  deinit { stop() }

  private static func spawn(
    _ program: String, _ arguments: [String], _ environment: [String: String],
    _ actions: inout posix_spawn_file_actions_t
  ) throws(BenchFault) -> pid_t {
    // This process blocks some signals and ignores another; what it starts should not.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    sigemptyset(&none)
    var reset = sigset_t()
    sigemptyset(&reset)
    sigaddset(&reset, SIGPIPE)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setsigdefault(&attributes, &reset)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
    var argv: [UnsafeMutablePointer<CChar>?] = ([program] + arguments).map { strdup($0) } + [nil]
    var envp: [UnsafeMutablePointer<CChar>?] = Self.variables(environment).map { strdup($0) } + [nil]
    defer { for string in argv + envp { free(string) } }
    var pid = pid_t()
    let result = posix_spawn(&pid, program, &actions, &attributes, &argv, &envp)
    guard result == 0 else { throw .missing("cannot start \(program): \(String(cString: strerror(result)))") }
    return pid
  }

  private static func variables(_ added: [String: String]) -> [String] {
    var variables: [String] = []
    var next = environ
    while let entry = next.pointee {
      let text = String(cString: entry)
      if added[String(text.prefix { $0 != "=" })] == nil { variables.append(text) }
      next += 1
    }
    return variables + added.map { "\($0)=\($1)" }
  }

  /// How it ended, if it has.
  func poll() -> Ending? {
    guard ending == nil else { return ending }
    var status: Int32 = 0
    guard waitpid(pid, &status, WNOHANG) == pid else { return nil }
    Interruption.ended(pid)
    let signal = status & 0x7F
    ending = signal == 0 ? .exited(status >> 8 & 0xFF) : .killed(signal: signal)
    return ending
  }

  /// Waits until it has ended, and ends it where that takes too long.
  func wait(limitS: Double) -> Ending {
    let deadline = Stopwatch()
    while true {
      if let ending = poll() { return ending }
      if deadline.seconds > limitS { break }
      usleep(2000)
    }
    stop()
    return .timedOut
  }

  /// Asks it to end, waits up to ten seconds, then insists.
  func stop() {
    pipe?.close()
    guard poll() == nil else { return }
    kill(pid, SIGTERM)
    let deadline = Stopwatch()
    while poll() == nil {
      if deadline.seconds > 10 { kill(pid, SIGKILL) }
      usleep(2000)
    }
  }

  /// A fault that says how it ended and what it said last.
  func fault(_ ending: Ending) -> BenchFault {
    let how =
      switch ending {
      case .exited(let code): "ended with exit code \(code)"
      case .killed(let signal): "was killed by signal \(signal)"
      case .timedOut: "took too long and was ended"
      }
    let said = TextFile.tail(of: errorPath)
    return .failed("\(name) \(how)" + (said.isEmpty ? "" : ": \(said)"))
  }
}
