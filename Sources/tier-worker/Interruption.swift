import Glibc

/// Ctrl-C and its like end the process at once, whatever it waits for, but not before its scratch directory is removed.
/// It ends by the signal itself, so that whoever started it sees why.
enum Interruption {
  /// To be called before any other thread is started, for threads inherit what is blocked.
  static func watch() {
    var watched = sigset_t()
    sigemptyset(&watched)
    // What is ignored is meant to be, by nohup or by a shell for its background jobs.
    for signal in [SIGINT, SIGTERM, SIGHUP] where !isIgnored(signal) { sigaddset(&watched, signal) }
    pthread_sigmask(SIG_BLOCK, &watched, nil)
    var thread = pthread_t()
    let code = pthread_create(&thread, nil, { _ in Interruption.wait() }, nil)
    guard code == 0 else {
      // Then it ends as any program does.
      pthread_sigmask(SIG_UNBLOCK, &watched, nil)
      return
    }
    pthread_detach(thread)
  }

  private static func wait() -> Never {
    var watched = sigset_t()
    pthread_sigmask(SIG_BLOCK, nil, &watched)
    var received: Int32 = 0
    while sigwait(&watched, &received) != 0 {}
    ScratchDirectory.removeInUse()
    if Terminal.errorIsTerminal { Terminal.error("\r\u{1B}[K") }
    signal(received, SIG_DFL)
    pthread_sigmask(SIG_UNBLOCK, &watched, nil)
    raise(received)
    _exit(128 + received)
  }

  private static func isIgnored(_ signal: Int32) -> Bool {
    var action = sigaction()
    guard sigaction(signal, nil, &action) == 0 else { return false }
    return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
  }
}
