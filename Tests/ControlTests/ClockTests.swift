import Foundation
import Testing

/// Nothing is decided by the time of day, which may jump by years.
@Suite struct ClockTests {
  /// Ways to ask for it. Timers and deadlines here are of CLOCK_MONOTONIC.
  private static var asks: Regex<Substring> {
    /CLOCK_REALTIME|gettimeofday|\bDate\(|\btime\(nil\)|\btime\(NULL\)|SuspendingClock/
  }
  /// The time a line of the log has.
  private static let allowed = ["tierd/DaemonLog.swift"]
  /// What runs as the daemon, and what a worker keeps its blocks with.
  private static let targets = [
    "TierCore", "TierMemory", "TierSpill", "TierEngine", "TierWire", "ControlServer", "ServiceManager", "CLinux",
    "CURing",
    "tierd",
  ]

  @Test func nothingAsksForTheTimeOfDay() throws {
    var files = 0
    for target in Self.targets {
      let directory = Source.root + "/Sources/" + target
      let names = try #require(FileManager.default.enumerator(atPath: directory)).compactMap { $0 as? String }
      for name in names where name.hasSuffix(".swift") || name.hasSuffix(".c") {
        files += 1
        let text = try String(contentsOfFile: directory + "/" + name, encoding: .utf8)
        guard let found = text.firstMatch(of: Self.asks) else { continue }
        #expect(Self.allowed.contains("\(target)/\(name)"), "\(target)/\(name) asks: \(found.output)")
      }
    }
    #expect(files > 100)
  }
}
