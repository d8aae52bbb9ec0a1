import Synchronization
import TierCore
import TierMemory
import TierSpill

/// Watches the machine's memory on a thread of its own, and tells the core what the host tier may use of its budget.
final class PressureMonitor: Sendable {
  /// What an operator sees of it.
  struct View: Sendable {
    var sources = ""
    var cause: PressureCause?
    var ownStallPercent = 0
    var systemStallPercent = 0
    /// How often the host tier was made smaller, and larger again.
    var shrinks = 0
    var growths = 0
    var limitEvents: [(name: String, count: Int)] = []
  }

  private struct State {
    var view = View()
    var isStopping = false
    var thread: EngineThread?
  }

  static let periodMs: Int32 = 100
  private static let settledMs: UInt64 = 1000
  private let state = Mutex(State())

  /// - Parameters:
  ///   - host: what the host tier has at the moment.
  ///   - allow: called with what it may use from now on.
  ///   - report: told one line about each thing an operator should know.
  func start(
    _ sources: MemorySources, host: @escaping @Sendable () -> PoolSnapshot,
    allow: @escaping @Sendable (Int?) -> Void, report: @escaping @Sendable (String) -> Void
  ) {
    let thread = EngineThread(name: "pressure") { [self] in
      let sensor = MemorySensor(sources)
      // A daemon that is refused at its start says why, and nothing else.
      var missing = sensor.missing
      let startedMs = MonotonicClock.nowMs()
      state.withLock { $0.view.sources = sensor.summary }
      var policy = PressurePolicy()
      var log = PressureLog()
      while !state.withLock({ $0.isStopping }) {
        let isTold = sensor.wait(timeoutMs: Self.periodMs)
        let tier = host()
        let nowMs = MonotonicClock.nowMs()
        if nowMs - startedMs >= Self.settledMs {
          for line in missing { report("memory pressure: \(line)") }
          missing = []
        }
        let before = policy.allowanceBytes
        let hasChanged = policy.take(
          sensor.reading(isTold: isTold), budgetBytes: tier.budgetBytes, committedBytes: tier.committedBytes,
          nowMs: nowMs)
        if hasChanged { allow(policy.allowanceBytes) }
        publish(policy, sensor, before: before, budgetBytes: tier.budgetBytes)
        if let line = log.line(policy, budgetBytes: tier.budgetBytes, nowMs: nowMs) { report(line) }
      }
    }
    state.withLock { $0.thread = thread }
  }

  private func publish(_ policy: PressurePolicy, _ sensor: MemorySensor, before: Int?, budgetBytes: Int) {
    let events = sensor.limitEvents()
    let (old, new) = (before ?? budgetBytes, policy.allowanceBytes ?? budgetBytes)
    state.withLock { state in
      state.view.cause = policy.cause
      (state.view.ownStallPercent, state.view.systemStallPercent) = (policy.ownStall, policy.systemStall)
      if new < old { state.view.shrinks += 1 }
      if new > old { state.view.growths += 1 }
      state.view.limitEvents = events
    }
  }

  var view: View { state.withLock { $0.view } }

  func stop() {
    let thread = state.withLock { state in
      state.isStopping = true
      defer { state.thread = nil }
      return state.thread
    }
    thread?.join()
  }
}

/// Which changes are worth a line: the first, another cause, the end, and now and then one between.
struct PressureLog {
  private static let everyMs: UInt64 = 10_000
  private var kind: PressureCause.Kind?
  private var bytes: Int?
  private var atMs: UInt64 = 0

  mutating func line(_ policy: PressurePolicy, budgetBytes: Int, nowMs: UInt64) -> String? {
    guard let allowance = policy.allowanceBytes, let cause = policy.cause else {
      guard kind != nil else { return nil }
      (kind, bytes) = (nil, nil)
      return "memory is no longer short: the host tier has all of its budget of \(ByteCount.text(budgetBytes)) again"
    }
    let change = abs((bytes ?? budgetBytes) - allowance)
    guard kind != cause.kind || (change >= budgetBytes / 8 && nowMs >= atMs + Self.everyMs) else { return nil }
    (kind, bytes, atMs) = (cause.kind, allowance, nowMs)
    return "memory is short: \(cause.message). The host tier may use \(ByteCount.text(allowance)) of its budget of "
      + "\(ByteCount.text(budgetBytes)) now; workers wait longer for blocks, nothing is lost that is on disk. To end "
      + "it, \(cause.advice)"
  }
}
