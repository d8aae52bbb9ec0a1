import Glibc

/// CLOCK_MONOTONIC, the one clock here: a wall clock may jump.
enum Clock {
  static func nowNs() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
  }

  static func seconds(since startNs: Int64) -> Double { Double(nowNs() - startNs) * 1e-9 }
  static func milliseconds(since startNs: Int64) -> Double { Double(nowNs() - startNs) * 1e-6 }
}

/// What an error number means.
func errorText(_ number: Int32) -> String { String(cString: strerror(number)) }

/// Unbuffered, whole.
func writeToStandardError(_ text: String) {
  var text = text
  text.withUTF8 { bytes in
    var written = 0
    while written < bytes.count {
      let count = write(STDERR_FILENO, bytes.baseAddress! + written, bytes.count - written)
      // A closed standard error is nobody's loss.
      if count < 0 && errno != EINTR { return }
      written += max(0, count)
    }
  }
}
