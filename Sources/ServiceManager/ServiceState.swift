import Glibc

/// What a service tells its manager about itself: sd_notify(3).
public enum ServiceState: Sendable, Hashable {
  /// Started, or done with a reload.
  case ready
  /// A reload began now. `ready` follows when it is over, however it went.
  case reloading
  case stopping
  /// One line for people, in `systemctl status`. Control characters become spaces; what is too long is cut.
  case status(String)
  /// Alive, and getting on with it.
  case watchdog
  /// Stuck: the manager is to do now what it does when no `watchdog` comes in time (systemd 243 and later).
  case watchdogTrigger
  /// Start or stop may take so much longer from now, whatever the unit says. It never shortens the unit's limit.
  case extendTimeout(Duration)

  /// More than one screen's width, and far less than a message may have.
  public static let statusBytesMax = 512

  /// The assignments of the message, each without its newline.
  var assignments: [String] {
    switch self {
    case .ready: ["READY=1"]
    // Both in one message, as Type=notify-reload asks.
    case .reloading: ["RELOADING=1", "MONOTONIC_USEC=\(Self.monotonicUs())"]
    case .stopping: ["STOPPING=1"]
    case .status(let text): ["STATUS=" + Self.line(text)]
    case .watchdog: ["WATCHDOG=1"]
    case .watchdogTrigger: ["WATCHDOG=trigger"]
    case .extendTimeout(let time): ["EXTEND_TIMEOUT_USEC=\(max(0, Int64(time / .microseconds(1))))"]
    }
  }

  /// One line of at most `statusBytesMax` bytes of whole characters.
  private static func line(_ text: String) -> String {
    var line = ""
    var bytes = 0
    for scalar in text.unicodeScalars {
      let isControl = scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value)
      let kept: Unicode.Scalar = isControl ? " " : scalar
      bytes += UTF8.width(kept)
      if bytes > statusBytesMax { break }
      line.unicodeScalars.append(kept)
    }
    return line
  }

  private static func monotonicUs() -> UInt64 {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return UInt64(now.tv_sec) * 1_000_000 + UInt64(now.tv_nsec) / 1000
  }
}
