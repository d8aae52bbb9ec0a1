import ControlAPI
import Testing

@testable import ControlServer

/// Reads the text format 0.0.4 strictly enough to refuse what Prometheus would.
struct PrometheusPage {
  struct Sample: Equatable {
    var name: String
    var labels: [String: String]
    var value: Double
  }

  struct Fault: Error { let line: String }

  var samples: [Sample] = []
  var types: [String: String] = [:]

  init(_ text: String) throws {
    try #require(text.hasSuffix("\n"))
    var family = ""
    var closed: Set<String> = []
    for line in text.dropLast().split(separator: "\n", omittingEmptySubsequences: false).map(String.init) {
      let words = line.split(separator: " ", maxSplits: 3).map(String.init)
      if line.hasPrefix("# HELP ") {
        guard words.count == 4, closed.insert(words[2]).inserted else { throw Fault(line: line) }
        family = words[2]
      } else if line.hasPrefix("# TYPE ") {
        guard words.count == 4, words[2] == family, ["counter", "gauge", "summary"].contains(words[3]) else {
          throw Fault(line: line)
        }
        types[family] = words[3]
      } else {
        let sample = try Self.sample(line)
        let base = types[family] == "summary" ? [family, family + "_sum", family + "_count"] : [family]
        guard base.contains(sample.name) else { throw Fault(line: line) }
        samples.append(sample)
      }
    }
  }

  private static func sample(_ line: String) throws -> Sample {
    // swift-format-ignore
    let pattern = /([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)/
    let label = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)/
    guard let match = line.wholeMatch(of: pattern), let value = Double(String(match.3)) else { throw Fault(line: line) }
    var labels: [String: String] = [:]
    var rest = match.2 ?? ""
    while let found = rest.prefixMatch(of: label) {
      guard labels.updateValue(String(found.2), forKey: String(found.1)) == nil else { throw Fault(line: line) }
      rest = rest[found.range.upperBound...]
    }
    guard rest.isEmpty else { throw Fault(line: line) }
    return Sample(name: String(match.1), labels: labels, value: value)
  }

  subscript(_ name: String, _ labels: [String: String] = [:]) -> Double? {
    samples.first { $0.name == name && $0.labels == labels }?.value
  }
}

@Suite struct PrometheusTests {
  @Test func thePageIsValidAndSaysWhatTheStatusSays() throws {
    let page = try PrometheusPage(PrometheusText.render(Samples.status))
    #expect(page["tierd_tier_used_bytes", ["tier": "device"]] == Double(36 << 20))
    #expect(page["tierd_tier_budget_bytes", ["tier": "disk"]] == Double(2 << 30))
    #expect(page["tierd_moved_blocks_total", ["from": "worker", "to": "device"]] == 1426)
    #expect(page["tierd_acquired_blocks_total", ["result": "hit"]] == 12_345)
    #expect(page["tierd_sequences", ["state": "queued"]] == 2)
    #expect(page["tierd_spill_healthy"] == 1)
    #expect(page["tierd_operation_duration_seconds", ["operation": "acquire", "quantile": "0.5"]] == 7.5e-6)
    #expect(page["tierd_operation_duration_seconds_sum", ["operation": "acquire"]] == 0.04)
    #expect(page["tierd_operation_duration_seconds_count", ["operation": "acquire"]] == 5000)
  }

  @Test func countersAndOnlyCountersEndInTotal() throws {
    let page = try PrometheusPage(PrometheusText.render(Samples.status))
    for (name, type) in page.types { #expect(name.hasSuffix("_total") == (type == "counter"), "\(name)") }
  }

  @Test func labelsAreEscaped() throws {
    var status = Samples.status
    status.version = "a\"b\\c\nd"
    let page = try PrometheusPage(PrometheusText.render(status))
    #expect(page["tierd_build_info", ["version": #"a\"b\\c\nd"#]] == 1)
  }

  @Test func withoutSpillAndWithoutMovesItIsStillValid() throws {
    var status = Samples.status
    (status.spill, status.moves, status.latencies) = (nil, [], [])
    let page = try PrometheusPage(PrometheusText.render(status))
    #expect(page.types["tierd_moved_blocks_total"] == nil)
    #expect(page["tierd_spill_healthy"] == nil)
  }
}
