import Glibc

/// Lanes, lent to one holder at a time, under one bound. A lane that comes back with operations in flight (their deadline
/// has passed) is set aside with its buffer, and lent again only once the kernel has ended them all.
package final class LanePool: @unchecked Sendable {
  private struct Stuck {
    let lane: any IOLane
    let pins: SegmentPins?
  }

  private let engine: any IOEngine
  private let limit: Int
  private let waitMs: Int
  private let condition = Condition()
  // Guarded by `condition`.
  private var idle: [any IOLane] = []
  private var stuck: [Stuck] = []
  /// Lent, idle and stuck.
  private var count = 0

  package init(engine: any IOEngine, limit: Int, waitMs: Int) {
    self.engine = engine
    self.limit = limit
    self.waitMs = waitMs
  }

  /// Operations whose deadline has passed and that have not ended yet.
  package var stuckOperations: Int {
    condition.lock()
    defer { condition.unlock() }
    return stuck.reduce(0) { $0 + $1.lane.inFlight }
  }

  /// Runs `body` with a lane whose buffer has at least `bytes`. `pins` are released when nothing that `body` submitted is
  /// in flight any more: the segments stay until then.
  package func withLane<Result>(
    bytes: Int, _ body: (any IOLane) throws(SpillError) -> Result
  ) throws(SpillError) -> Result {
    try withLane(bytes: bytes, pins: nil, body)
  }

  func withLane<Result>(
    bytes: Int, pins: SegmentPins?, _ body: (any IOLane) throws(SpillError) -> Result
  ) throws(SpillError) -> Result {
    let lane: any IOLane
    do throws(SpillError) {
      lane = try take()
    } catch {
      pins?.release()
      throw error
    }
    defer { giveBack(lane, pins) }
    try lane.reserve(bytes)
    return try body(lane)
  }

  private func take() throws(SpillError) -> any IOLane {
    recycle()
    condition.lock()
    let granted = condition.wait(timeoutMs: waitMs) { !idle.isEmpty || count < limit }
    if granted, let lane = idle.popLast() {
      condition.unlock()
      return lane
    }
    if granted { count += 1 }
    condition.unlock()
    guard granted else { throw .busy(waitedMs: waitMs) }
    do throws(SpillError) {
      return try engine.makeLane()
    } catch {
      condition.lock()
      count -= 1
      condition.broadcast()
      condition.unlock()
      throw error
    }
  }

  private func giveBack(_ lane: any IOLane, _ pins: SegmentPins?) {
    while lane.inFlight > 0, lane.next(untilNs: 0) != nil {}
    condition.lock()
    let isFree = lane.inFlight == 0
    if isFree { idle.append(lane) } else { stuck.append(Stuck(lane: lane, pins: pins)) }
    condition.broadcast()
    condition.unlock()
    if isFree { pins?.release() }
  }

  private func waitForStuck(ms: Int) {
    condition.lock()
    let entry = stuck.popLast()
    condition.unlock()
    guard let entry else { return }
    if entry.lane.inFlight > 0 { _ = entry.lane.next(untilNs: MonotonicClock.nowNs() + UInt64(ms) * 1_000_000) }
    condition.lock()
    stuck.append(entry)
    condition.unlock()
  }

  /// Takes back what has ended since.
  package func recycle() {
    condition.lock()
    var released: [SegmentPins?] = []
    var remaining: [Stuck] = []
    for entry in stuck {
      while entry.lane.inFlight > 0, entry.lane.next(untilNs: 0) != nil {}
      if entry.lane.inFlight == 0 {
        idle.append(entry.lane)
        released.append(entry.pins)
      } else {
        remaining.append(entry)
      }
    }
    stuck = remaining
    if !released.isEmpty { condition.broadcast() }
    condition.unlock()
    for pins in released { pins?.release() }
  }

  /// Lets the idle lanes go, after what is stuck had a second to end. What is stuck in the kernel for good stays
  /// allocated: its memory is not ours to free.
  func close() {
    var turnsLeft = 100
    while turnsLeft > 0, stuckOperations > 0 {
      turnsLeft -= 1
      waitForStuck(ms: 10)
      recycle()
    }
    condition.lock()
    defer { condition.unlock() }
    count -= idle.count
    idle = []
    for entry in stuck { _ = Unmanaged.passRetained(entry.lane as AnyObject) }
    stuck = []
  }
}
