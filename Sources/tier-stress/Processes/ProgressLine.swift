import Glibc

/// One line on a terminal's standard error, drawn anew; nothing on a pipe.
struct ProgressLine {
  let label: String
  private static let isShown = isatty(STDERR_FILENO) == 1

  func show(_ text: String) {
    if Self.isShown { writeToStandardError("\r\u{1B}[K\(label): \(text)") }
  }

  func clear() {
    if Self.isShown { writeToStandardError("\r\u{1B}[K") }
  }
}
