import Glibc
import Synchronization

/// What happens at Ctrl-C: the programs this one started end, its files go, and then it ends itself.
enum Interruption {
  private static let children = Mutex<Set<pid_t>>([])
  private static let isStopping = Atomic(false)
  private static let scratch = Mutex<String?>(nil)

  /// Takes the signals that ask to stop, on a thread of their own. Before any other thread or program is started.
  static func arm(_ directory: ScratchDirectory) throws(BenchFault) {
    scratch.withLock { $0 = directory.path }
    // What a program under test no longer reads is found out by its write.
    signal(SIGPIPE, SIG_IGN)
    var asked = signals
    pthread_sigmask(SIG_BLOCK, &asked, nil)
    var thread = pthread_t()
    let result = pthread_create(&thread, nil, { _ in Interruption.wait() }, nil)
    guard result == 0 else { throw .io("cannot start a thread: \(String(cString: strerror(result)))") }
    pthread_detach(thread)
  }

  static func began(_ child: pid_t) { children.withLock { _ = $0.insert(child) } }
  static func ended(_ child: pid_t) { children.withLock { _ = $0.remove(child) } }

  /// What fails while everything is being ended is of no interest: the process is about to end.
  static func waitIfStopping() { while isStopping.load(ordering: .acquiring) { pause() } }

  private static var signals: sigset_t {
    var set = sigset_t()
    sigemptyset(&set)
    for number in [SIGINT, SIGTERM, SIGHUP] { sigaddset(&set, number) }
    return set
  }

  private static func wait() -> Never {
    var asked = signals
    var number: Int32 = 0
    while sigwait(&asked, &number) != 0 {}
    isStopping.store(true, ordering: .releasing)
    let running = children.withLock { $0 }
    for child in running { kill(child, SIGTERM) }
    for child in running { end(child) }
    if let path = scratch.withLock({ $0 }) { ScratchDirectory.remove(path) }
    exit(128 + number)
  }

  /// Waits up to five seconds for a program that was asked to end, then insists.
  private static func end(_ child: pid_t) {
    for _ in 0..<500 {
      // Whoever started it may reap it first: then there is none, which is as well.
      if waitpid(child, nil, WNOHANG) != 0 { return }
      usleep(10_000)
    }
    kill(child, SIGKILL)
  }
}
