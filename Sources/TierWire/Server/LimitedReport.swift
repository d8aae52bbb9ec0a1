import Synchronization

/// A report of which nobody can make a flood: so many lines a second, and how many were left out with the first line after
/// them. Clients cause these lines, as many as they like; a log must not grow at their will, nor a slow one hold up who accepts.
final class LimitedReport: Sendable {
  private struct Window {
    var startMs: UInt64 = 0
    var lines = 0
    var leftOut = 0
  }

  private let window = Mutex(Window())
  private let report: @Sendable (String) -> Void
  private let nowMs: @Sendable () -> UInt64

  static let linesPerSecond = 10

  init(
    nowMs: @escaping @Sendable () -> UInt64 = { Deadline.nowNs() / 1_000_000 },
    report: @escaping @Sendable (String) -> Void
  ) {
    self.nowMs = nowMs
    self.report = report
  }

  func callAsFunction(_ line: String) {
    let now = nowMs()
    let leftOut: Int? = window.withLock { window in
      if now &- window.startMs >= 1000 { (window.startMs, window.lines) = (now, 0) }
      guard window.lines < Self.linesPerSecond else {
        window.leftOut += 1
        return nil
      }
      window.lines += 1
      defer { window.leftOut = 0 }
      return window.leftOut
    }
    guard let leftOut else { return }
    report(leftOut == 0 ? line : "\(line) (\(leftOut) lines like it were left out)")
  }
}
