import Foundation
import Testing
import TierTrace

@Suite struct TraceWriterTests {
  private static let track = TraceWriter.Track(process: 1, thread: 7)

  private static func written(_ body: (inout TraceWriter) -> Void) -> Data {
    var writer = TraceWriter()
    body(&writer)
    writer.finish()
    return Data(writer.takeBytes())
  }

  private static func parsed(_ data: Data) throws -> [[String: Any]] {
    try #require(try JSONSerialization.jsonObject(with: data) as? [[String: Any]])
  }

  @Test func anEmptyTraceIsAnEmptyArray() throws {
    #expect(try Self.parsed(Self.written { _ in }).isEmpty)
  }

  @Test func everyEventIsOneObjectWithItsFields() throws {
    let events = try Self.parsed(
      Self.written {
        $0.nameProcess(1, "worker")
        $0.nameThread(Self.track, "compute")
        $0.complete(
          "layer 3", category: "step", on: Self.track, beganNs: 1_234_567, endedNs: 2_234_570,
          ["layer": .number(3), "link": .text("a")])
        $0.instant("mark", category: "mark", on: Self.track, atNs: 5)
      })
    #expect(events.map { $0["ph"] as? String } == ["M", "M", "X", "i"])
    #expect((events[0]["args"] as? [String: String]) == ["name": "worker"])
    let span = events[2]
    #expect(span["name"] as? String == "layer 3" && span["cat"] as? String == "step")
    #expect(span["pid"] as? Int == 1 && span["tid"] as? Int == 7)
    // Microseconds, with the nanoseconds behind the point.
    #expect(span["ts"] as? Double == 1234.567 && span["dur"] as? Double == 1000.003)
    let arguments = span["args"] as? [String: Any]
    #expect(arguments?["layer"] as? Int == 3 && arguments?["link"] as? String == "a")
    #expect(events[3]["ts"] as? Double == 0.005)
  }

  @Test(arguments: ["quote \" and \\", "line\nbreak\u{1}", "ü → 漢"]) func textIsWhatItWas(text: String) throws {
    let events = try Self.parsed(Self.written { $0.nameThread(Self.track, text) })
    #expect((events[0]["args"] as? [String: String]) == ["name": text])
  }

  @Test func bytesTakenInPiecesAreTheSameTrace() throws {
    var writer = TraceWriter()
    var pieces = Data()
    for i in 0..<5 {
      writer.complete("e", category: "c", on: Self.track, beganNs: UInt64(i), endedNs: UInt64(i + 1))
      pieces += Data(writer.takeBytes())
      #expect(writer.pendingBytes == 0)
    }
    writer.finish()
    pieces += Data(writer.takeBytes())
    #expect(try Self.parsed(pieces).count == 5)
  }
}
