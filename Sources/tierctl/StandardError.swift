import Glibc

/// Unbuffered, so that it comes before what follows. A closed stderr is nobody's loss.
func writeToStandardError(_ text: String) {
  var text = text
  text.withUTF8 { bytes in
    var written = 0
    while written < bytes.count {
      let n = write(STDERR_FILENO, bytes.baseAddress! + written, bytes.count - written)
      if n < 0 && errno != EINTR { return }
      written += max(0, n)
    }
  }
}
