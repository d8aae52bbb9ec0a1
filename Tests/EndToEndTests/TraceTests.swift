import Foundation
import Testing
import TierTrace

/// `tier-worker run --trace`: what the worker and the daemon did, in one file, in agreement with what they report.
@Suite(.serialized) struct TraceTests {
  let home: Workspace

  init() throws { home = try Workspace() }

  /// A span on its track, in ns.
  private struct Span {
    let event: TraceEvents.Event
    let range: Range<Int>
  }

  private struct Report: Decodable {
    let stallS: Double
    let tiers: Evaluation.Tiers
  }

  private func prompt(lines: Int) throws -> String {
    let text = (0..<lines).map { "Line \($0) of a text that is read chunk by chunk.\n" }.joined()
    return try home.write("prompt.txt", Data(text.utf8))
  }

  private func run(_ store: Worker.Store, trace: String, _ flags: [String] = []) throws -> Report {
    let reading = ["--prompt-file", try prompt(lines: 130), "--raw", "--max-new-tokens", "2", "--json"]
    let chunks = ["--prefill-chunk-size", "256", "--trace", trace]
    let outcome = try Worker.start(
      ["run", "--model", try RealModel.path()] + reading + chunks + store.flags + flags, in: home
    ).wait(seconds: Worker.seconds)
    try #require(outcome.ending == .exited(0), "\(outcome.error)")
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(Report.self, from: Data(outcome.output.utf8))
  }

  private func read(_ trace: String) throws -> TraceEvents {
    let data = try #require(FileManager.default.contents(atPath: trace))
    // As any JSON parser sees it.
    #expect(try JSONSerialization.jsonObject(with: data) is [[String: Any]])
    return try TraceEvents(data)
  }

  private static func spans(_ trace: TraceEvents) -> [Span] {
    trace.events.compactMap { event in
      guard event.ph == "X", let ts = event.ts, let dur = event.dur else { return nil }
      let start = Int((ts * 1000).rounded())
      return Span(event: event, range: start..<start + Int((dur * 1000).rounded()))
    }
  }

  @Test("Moves are those that are counted, spans nest, and waits are those reported", arguments: [false, true])
  func agreement(isEmbedded: Bool) throws {
    let file = home.path + "/trace.json"
    let report: Report
    if isEmbedded {
      let budgets = [
        "--device", "emulated", "--device-budget", "4MiB", "--host-budget", "4MiB", "--disk-budget", "1GiB",
      ]
      report = try run(.embedded(budgets), trace: file)
    } else {
      let daemon = try Daemon("daemon", .init(device: "4MiB", host: "4MiB", link: "64MiB/s"), in: home)
      report = try run(.daemon(daemon), trace: file)
    }
    let trace = try read(file)
    try expectMoves(trace, report)
    expectNesting(trace)
    let waits = Self.spans(trace).filter { $0.event.cat == TraceNames.wait }
    let waitedS = Double(waits.reduce(0) { $0 + $1.range.count }) * 1e-9
    // The report was made before the sequence was closed, and both are of the same readings of the clock.
    #expect(abs(waitedS - report.stallS) < 1e-6 * Double(waits.count + 1))
    // A link this slow leaves some to be waited for.
    if !isEmbedded { #expect(waits.contains { $0.event.name == "blocks" }) }
  }

  /// Two readings of the statistics enclose the moves that the report counts.
  private func expectMoves(_ trace: TraceEvents, _ report: Report) throws {
    let marks = trace.events.indices.filter { trace.events[$0].name == TraceNames.statistics }
    try #require(marks.count == 2)
    let moves = trace.events[marks[0]..<marks[1]].filter { $0.cat == TraceNames.move }
    for counted in report.tiers.moves {
      let traced = moves.filter { $0.args?.link == TraceNames.link((counted.from, counted.to)) }
      #expect(traced.count == counted.blocks, "\(counted.from) to \(counted.to)")
      #expect(traced.reduce(0) { $0 + ($1.args?.bytes ?? 0) } == counted.bytes)
    }
    #expect(report.tiers.blocks(from: "disk", to: "host") > 0)
    #expect(moves.allSatisfy { $0.pid == TraceNames.store })
  }

  /// Of two spans on a track one holds the other, or they are apart.
  private func expectNesting(_ trace: TraceEvents) {
    let tracks = Dictionary(grouping: Self.spans(trace)) { "\($0.event.pid) \($0.event.tid)" }
    for (track, spans) in tracks {
      var open: [Range<Int>] = []
      let sorted = spans.map(\.range).sorted { ($0.lowerBound, -$0.upperBound) < ($1.lowerBound, -$1.upperBound) }
      for range in sorted {
        while let last = open.last, last.upperBound <= range.lowerBound { open.removeLast() }
        if let last = open.last { #expect(range.upperBound <= last.upperBound, "track \(track)") }
        open.append(range)
      }
    }
    // What is computed and waited for in a layer is within it.
    let worker = Self.spans(trace).filter { $0.event.pid == TraceNames.worker }
    let layers = worker.filter { $0.event.name.hasPrefix("layer") }
    let blocks = worker.filter { $0.event.name == "blocks" || $0.event.name.hasPrefix("attention") }
    #expect(!layers.isEmpty && !blocks.isEmpty)
    for span in blocks {
      #expect(
        layers.contains { $0.range.lowerBound <= span.range.lowerBound && span.range.upperBound <= $0.range.upperBound }
      )
    }
  }

  @Test("Weights under the budgets are in it too, and tierctl sums it up")
  func summary() throws {
    let file = home.path + "/trace.json"
    let daemon = try Daemon("daemon", .init(device: "48MiB", host: "64MiB"), in: home)
    _ = try run(.daemon(daemon), trace: file, ["--weights", "managed"])
    let events = try read(file).events
    #expect(events.contains { $0.cat == TraceNames.move && $0.name.hasPrefix("weights") })
    #expect(events.contains { $0.name == "pack weights" })
    let summed = try daemon.control("trace", file)
    #expect(summed.ending == .exited(0))
    for word in ["worker → device", "host → device", "behind compute", "weights", "computed"] {
      #expect(summed.output.contains(word), "\(summed.output)")
    }
  }

  @Test("Where the file cannot be written is one line, before anything is read")
  func unwritable() throws {
    let outcome = try Worker.run(
      Sources.tinyModel, prompt: "Hello", .embedded([]), ["--raw", "--trace", home.path + "/none/trace.json"], in: home
    ).wait(seconds: 10)
    expectRefusal(outcome, 74, naming: home.path + "/none/trace.json")
    let daemon = try Daemon(in: home)
    expectRefusal(try daemon.control("trace", home.path + "/nothing.json"), 74, naming: "nothing.json")
    expectRefusal(try daemon.control("trace", home.write("no.json", Data("{}".utf8))), 64, naming: "no.json")
  }
}
