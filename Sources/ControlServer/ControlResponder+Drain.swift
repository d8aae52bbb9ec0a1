import ControlAPI
import NIOPosix
import ServiceLifecycle

extension ControlResponder {
  /// The longest the store may hold a thread for a drain.
  private static let turnMs = 250

  /// Asks the store in turns until it is drained, the deadline is past, or the daemon stops.
  func drain(deadlineMs: Int) async throws -> DrainReply {
    let start = ContinuousClock.now
    let deadline = start + .milliseconds(deadlineMs)
    while true {
      let turnEnd = min(ContinuousClock.now + .milliseconds(Self.turnMs), deadline)
      let turnMs = max(0, Int((turnEnd - ContinuousClock.now) / .milliseconds(1)))
      let store = store
      var reply = try await threads.runIfActive { try store.drain(deadlineMs: turnMs) }
      if reply.drained || ContinuousClock.now >= deadline || Task.isShuttingDownGracefully {
        reply.elapsedMs = Int((ContinuousClock.now - start) / .milliseconds(1))
        return reply
      }
      // A store that answers early is not asked in a tight loop.
      try await Task.sleep(until: turnEnd, clock: .continuous)
    }
  }
}
