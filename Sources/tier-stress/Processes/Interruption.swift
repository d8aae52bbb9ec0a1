import Glibc
import Synchronization

/// Ctrl-C and its like end a run early and in order: workers first, then the daemon, then the files.
enum Interruption {
  private static let asked = Atomic(false)

  static var isAsked: Bool { asked.load(ordering: .relaxed) }

  static func arm() {
    // A child that is gone is found out by its ending.
    signal(SIGPIPE, SIG_IGN)
    for number in [SIGINT, SIGTERM, SIGHUP] {
      signal(number) { _ in Interruption.asked.store(true, ordering: .relaxed) }
    }
  }
}
