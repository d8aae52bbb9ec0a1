import Glibc

/// A program this one started. It is killed with the last reference, if it still runs.
final class ChildProcess {
  let pid: pid_t
  private var isRunning = true

  /// - Parameter readsFirstLine: returns only when it has said its first line to its standard output.
  init(_ program: String, _ arguments: [String], readsFirstLine: Bool = false) throws {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { throw CheckFault("cannot make a pipe: \(String(cString: strerror(errno)))") }
    defer { for end in ends { close(end) } }
    _ = fcntl(ends[0], F_SETFD, FD_CLOEXEC)
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO)
    var argv = ([program] + arguments).map { strdup($0) } + [nil]
    defer { for text in argv { free(text) } }
    var pid = pid_t()
    let code = posix_spawn(&pid, program, &actions, nil, &argv, environ)
    guard code == 0 else { throw CheckFault("cannot start \(program): \(String(cString: strerror(code)))") }
    self.pid = pid
    close(ends[1])
    ends[1] = -1
    var byte: UInt8 = 0
    if readsFirstLine, read(ends[0], &byte, 1) != 1 { throw CheckFault("\(program) \(arguments[0]) ended at once") }
  }

  deinit { kill() }

  /// Whether it runs still.
  func poll() -> Bool {
    if isRunning, waitpid(pid, nil, WNOHANG) == pid { isRunning = false }
    return isRunning
  }

  func kill() {
    guard poll() else { return }
    Glibc.kill(pid, SIGKILL)
    while waitpid(pid, nil, 0) < 0 && errno == EINTR {}
    isRunning = false
  }
}
