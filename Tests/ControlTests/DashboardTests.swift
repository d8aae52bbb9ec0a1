import ControlAPI
import Foundation
import Testing

@testable import ControlServer

/// What operators are told to look at is there.
@Suite struct DashboardTests {
  /// Names of families and of their samples, as a scrape gives them.
  private static let served = names(in: PrometheusText.render(Samples.status))

  private static func names(in text: String) -> Set<String> {
    Set(text.matches(of: /tierd_[a-z_]+/).map { String($0.output) })
  }

  @Test("Every metric of the dashboard is served, and every one served is on it") func dashboard() throws {
    let text = try String(contentsOfFile: Source.root + "/docs/grafana-dashboard.json", encoding: .utf8)
    #expect(throws: Never.self) { try JSONSerialization.jsonObject(with: Data(text.utf8)) }
    let shown = Self.names(in: text)
    #expect(shown.subtracting(Self.served).isEmpty)
    #expect(Self.served.subtracting(shown).isEmpty)
  }

  @Test("Every metric an alarm names is served") func alarms() throws {
    let text = try String(contentsOfFile: Source.root + "/docs/operations.md", encoding: .utf8)
    let named = Self.names(in: text)
    #expect(!named.isEmpty && named.subtracting(Self.served).isEmpty, "\(named.subtracting(Self.served))")
  }
}
