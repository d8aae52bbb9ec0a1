import Testing

@testable import TierEngine

@Suite struct StallDetectorTests {
  private static func part(
    _ unfinished: Int, _ finished: UInt64, name: String = "link-up", deadlineMs: Int = 1000
  ) -> WorkProgress {
    WorkProgress(name: name, unfinished: unfinished, finished: finished, deadlineMs: deadlineMs)
  }

  /// Looks at the same part every 100 ms.
  private func look(_ states: [(unfinished: Int, finished: UInt64)]) -> [Stall] {
    var detector = StallDetector(intervalMs: 100)
    var last: [Stall] = []
    for (index, state) in states.enumerated() {
      last = detector.look([Self.part(state.unfinished, state.finished)], nowMs: UInt64(index) * 100)
    }
    return last
  }

  @Test("Work at hand and nothing finished past the deadline is stuck, and not before") func stuck() {
    #expect(look(Array(repeating: (3, 7), count: 11)).isEmpty, "1000 ms are within a deadline of 1000")
    #expect(
      look(Array(repeating: (3, 7), count: 12)) == [Stall(name: "link-up", unfinished: 3, forMs: 1100)])
  }

  @Test("Idle is healthy, however long") func idle() {
    #expect(look(Array(repeating: (0, 7), count: 1000)).isEmpty)
  }

  @Test("Who finishes one thing gets on, whatever is queued behind it") func slow() {
    #expect(look((0..<100).map { (1000 + $0, UInt64($0 / 9)) }).isEmpty)
  }

  @Test("Time without work does not count against work that comes") func workAfterIdle() {
    #expect(look(Array(repeating: (0, 7), count: 100) + Array(repeating: (1, 7), count: 11)).isEmpty)
  }

  @Test("After a pause of who looks, everybody begins anew") func pause() {
    var detector = StallDetector(intervalMs: 100)
    for index in 0..<10 { #expect(detector.look([Self.part(1, 7)], nowMs: UInt64(index) * 100).isEmpty) }
    #expect(detector.look([Self.part(1, 7)], nowMs: 60_000).isEmpty, "it was not looked at: the process was stopped")
    for index in 1...10 { #expect(detector.look([Self.part(1, 7)], nowMs: 60_000 + UInt64(index) * 100).isEmpty) }
    #expect(!detector.look([Self.part(1, 7)], nowMs: 61_100).isEmpty)
  }

  @Test("Each part has its own deadline, and its own clock") func parts() {
    var detector = StallDetector(intervalMs: 100)
    var stalls: [Stall] = []
    for index in 0..<20 {
      let parts = [
        Self.part(1, 0, name: "a", deadlineMs: 500), Self.part(1, UInt64(index), name: "b", deadlineMs: 500),
        Self.part(1, 0, name: "c", deadlineMs: 5000),
      ]
      stalls = detector.look(parts, nowMs: UInt64(index) * 100)
    }
    #expect(stalls.map(\.name) == ["a"])
  }
}
