/// A part of the store that has had work for longer than its deadline, and finished none of it.
public struct Stall: Sendable, Equatable {
  public let name: String
  public let unfinished: Int
  public let forMs: UInt64
}

/// Tells from one look after another who is stuck. Pure: time comes from whoever looks.
///
/// Who looks late has no right to accuse: after a pause of the whole process (SIGSTOP, a frozen machine) or of the looker
/// everybody begins anew.
public struct StallDetector: Sendable {
  private struct Mark {
    var finished: UInt64
    var sinceMs: UInt64
  }

  /// How much later than wanted a look may come.
  private static let patience: UInt64 = 4
  private let intervalMs: UInt64
  private var marks: [String: Mark] = [:]
  private var lastMs: UInt64?

  /// - Parameter intervalMs: the time between looks.
  public init(intervalMs: UInt64) { self.intervalMs = max(intervalMs, 1) }

  /// Who is stuck at `nowMs`, of a clock that only goes forward.
  public mutating func look(_ work: [WorkProgress], nowMs: UInt64) -> [Stall] {
    if let lastMs, nowMs < lastMs || nowMs - lastMs > Self.patience * intervalMs { marks = [:] }
    lastMs = nowMs
    var next: [String: Mark] = [:]
    var stalls: [Stall] = []
    for part in work where part.unfinished > 0 {
      let before = marks[part.name].flatMap { $0.finished == part.finished ? $0 : nil }
      let mark = before ?? Mark(finished: part.finished, sinceMs: nowMs)
      next[part.name] = mark
      let forMs = nowMs - mark.sinceMs
      if forMs > UInt64(part.deadlineMs) {
        stalls.append(Stall(name: part.name, unfinished: part.unfinished, forMs: forMs))
      }
    }
    // Who has nothing to do is left out: idle is healthy.
    marks = next
    return stalls
  }
}
