import Foundation
import Testing
import TierTrace

@Suite struct TraceSummaryTests {
  private static let ms: UInt64 = 1_000_000

  /// Compute in 0–4 and, around the wait, 4–10 ms; two overlapping reads that take 3–7 ms; a damaged one; a wait of 2 ms.
  private static func sample(complete: Bool = true) -> Data {
    var writer = TraceWriter()
    let worker = TraceWriter.Track(process: TraceNames.worker, thread: 1)
    let link = TraceWriter.Track(process: TraceNames.store, thread: 6)
    func span(
      _ name: String, _ category: String, _ track: TraceWriter.Track, _ from: UInt64, _ to: UInt64,
      _ arguments: TraceWriter.Arguments = [:]
    ) {
      writer.complete(name, category: category, on: track, beganNs: from * ms, endedNs: to * ms, arguments)
    }
    span("attention", TraceNames.compute, worker, 0, 4)
    span("blocks", TraceNames.wait, worker, 4, 6)
    span("matmuls: head", TraceNames.compute, worker, 4, 10)
    span("layer 0", TraceNames.step, worker, 0, 10)
    span("a", TraceNames.move, link, 3, 6, ["link": .text("disk → host"), "bytes": .number(100)])
    span("b", TraceNames.move, link, 5, 7, ["link": .text("disk → host"), "bytes": .number(50)])
    span(
      "c", TraceNames.move, link, 5, 7,
      ["link": .text("disk → host"), "bytes": .number(7), "outcome": .text("corrupt")])
    writer.instant(TraceNames.dropped, category: TraceNames.mark, on: link, atNs: 0, ["records": .number(4)])
    if complete { writer.finish() }
    return Data(writer.takeBytes())
  }

  @Test func sumsAreOfTheUnionOfTheTimes() throws {
    let summary = TraceSummary(try TraceEvents(Self.sample()))
    #expect(
      summary.links == [
        .init(name: "disk → host", moves: 2, bytes: 150, failed: 1, busyMs: 4, hiddenPercent: 50)
      ])
    #expect(summary.waits == [.init(cause: "blocks", waits: 1, ms: 2)])
    #expect(summary.computeMs == 8 && summary.droppedMoves == 4 && summary.isComplete)
  }

  @Test func theTraceOfARunThatWasEndedIsReadUpToThere() throws {
    let whole = Self.sample(complete: false)
    let cut = whole.dropLast(30)
    let events = try TraceEvents(Data(cut))
    #expect(!events.isComplete && events.events.count == 7)
    #expect(TraceSummary(events).waits.count == 1)
  }

  @Test(arguments: ["", "{}", "no trace", "[\n{\"ph\":1},\n{}\n]"]) func whatIsNoTraceIsRefused(text: String) {
    #expect(throws: TraceEvents.Unreadable.self) { try TraceEvents(Data(text.utf8)) }
  }
}
