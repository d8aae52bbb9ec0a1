import Glibc

/// A point in monotonic time by which something must have happened.
struct Deadline {
  private let atNs: UInt64

  init(afterMs: Int) {
    let (at, overflow) = Self.nowNs().addingReportingOverflow(UInt64(max(afterMs, 0)) * 1_000_000)
    atNs = overflow ? .max : at
  }

  /// Rounded up, so that what waits this long does not wake before the deadline; 0 once it has passed.
  var remainingMs: Int {
    let now = Self.nowNs()
    return now >= atNs ? 0 : Int((atNs - now + 999_999) / 1_000_000)
  }

  static func nowNs() -> UInt64 {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
  }

  /// Longer than anybody waits, short enough for every clock in the kernel.
  static let maxWaitMs = 24 * 3600 * 1000
}
