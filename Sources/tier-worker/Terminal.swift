import Glibc

/// Standard output and error, unbuffered: what is streamed is seen at once.
enum Terminal {
  static let errorIsTerminal = isatty(STDERR_FILENO) == 1

  static func output(_ text: String) { write(text, to: STDOUT_FILENO) }
  static func error(_ text: String) { write(text, to: STDERR_FILENO) }

  /// A reader that went away ends the program by SIGPIPE, as it should; nothing else is worth stopping for.
  private static func write(_ text: String, to descriptor: Int32) {
    var text = text
    text.withUTF8 { bytes in
      var written = 0
      while written < bytes.count {
        let n = Glibc.write(descriptor, bytes.baseAddress! + written, bytes.count - written)
        if n < 0 && errno != EINTR { return }
        written += max(0, n)
      }
    }
  }
}
