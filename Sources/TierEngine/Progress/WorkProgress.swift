import Synchronization

/// How far one part of the store has come with what it was given.
public struct WorkProgress: Sendable, Equatable {
  /// As its threads are called.
  public let name: String
  /// What it was given and has not finished.
  public let unfinished: Int
  /// What it has finished since it was started. Only whether it grows matters.
  public let finished: UInt64
  /// With work at hand and nothing finished for longer than this it is stuck.
  public let deadlineMs: Int

  public init(name: String, unfinished: Int, finished: UInt64, deadlineMs: Int) {
    self.name = name
    self.unfinished = unfinished
    self.finished = finished
    self.deadlineMs = deadlineMs
  }

  init<Job>(_ name: String, _ queue: WorkQueue<Job>, deadlineMs: Int) {
    let (unfinished, finished) = queue.progress
    self.init(name: name, unfinished: unfinished, finished: finished, deadlineMs: deadlineMs)
  }
}

extension Engine {
  /// The ticker has the engine's lock every 100 ms: ten seconds without are no contention.
  private static let tickDeadlineMs = 10_000

  /// What the store's threads are at, without the engine's lock. Empty once it was stopped.
  public func progress() -> [WorkProgress] {
    let movers = movers.withLock { $0 }
    guard let movers else { return [] }
    // There is always a next tick: an engine that does not get to it is stuck.
    let ticks = WorkProgress(
      name: "engine", unfinished: 1, finished: ticks.load(ordering: .relaxed), deadlineMs: Self.tickDeadlineMs)
    return [ticks] + movers.links.flatMap(\.progress) + (movers.disk?.progress ?? [])
  }
}
