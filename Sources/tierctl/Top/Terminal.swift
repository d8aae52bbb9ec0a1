import Glibc
import Synchronization

/// Set by SIGTERM and SIGHUP, so that the terminal is put back before the process ends.
private let stopAsked = Atomic<Bool>(false)

/// The terminal in full-screen mode: keys arrive one by one and are not echoed. `restore` puts everything back.
final class Terminal {
  private var saved = termios()

  /// Nil where standard input or output is no terminal.
  init?() {
    guard isatty(STDIN_FILENO) == 1, isatty(STDOUT_FILENO) == 1, tcgetattr(STDIN_FILENO, &saved) == 0 else {
      return nil
    }
    stopAsked.store(false, ordering: .relaxed)
    for number in [SIGTERM, SIGHUP] { signal(number) { _ in stopAsked.store(true, ordering: .relaxed) } }
    var raw = saved
    raw.c_lflag &= ~tcflag_t(ICANON | ECHO | ISIG)
    tcsetattr(STDIN_FILENO, TCSANOW, &raw)
    put("\u{1b}[?1049h\u{1b}[?25l")
  }

  func restore() {
    put("\u{1b}[?25h\u{1b}[?1049l")
    tcsetattr(STDIN_FILENO, TCSANOW, &saved)
  }

  /// Replaces what is shown, cut to the screen.
  func draw(_ text: String) {
    var size = winsize()
    let known = ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 && size.ws_row > 0
    let (columns, rows) = known ? (Int(size.ws_col), Int(size.ws_row)) : (80, 24)
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false).prefix(rows)
    put("\u{1b}[H" + lines.map { $0.prefix(columns) + "\u{1b}[K" }.joined(separator: "\r\n") + "\u{1b}[J")
  }

  /// Waits until `end`; true as soon as q, Ctrl-C, Ctrl-D, a closed terminal or a signal asks to stop.
  func isStopped(by end: ContinuousClock.Instant) -> Bool {
    while !stopAsked.load(ordering: .relaxed) {
      let leftMs = Int((end - .now) / .milliseconds(1))
      guard leftMs > 0 else { return false }
      var poller = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
      guard poll(&poller, 1, Int32(min(leftMs, 250))) > 0 else { continue }
      var key: UInt8 = 0
      if read(STDIN_FILENO, &key, 1) <= 0 || [UInt8(ascii: "q"), UInt8(ascii: "Q"), 3, 4].contains(key) { return true }
    }
    return true
  }

  private func put(_ text: String) {
    var text = text
    text.withUTF8 { bytes in
      var written = 0
      while written < bytes.count {
        let n = write(STDOUT_FILENO, bytes.baseAddress! + written, bytes.count - written)
        if n < 0 && errno != EINTR { return }
        written += max(0, n)
      }
    }
  }
}
