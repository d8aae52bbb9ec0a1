import Glibc

/// Time since it was made. Read by a call that costs tens of nanoseconds.
struct Stopwatch {
  private let startNs = Self.nowNs()

  var seconds: Double { Double(Self.nowNs() - startNs) * 1e-9 }

  static func nowNs(_ clock: clockid_t = CLOCK_MONOTONIC) -> Int64 {
    var time = timespec()
    clock_gettime(clock, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
  }
}
