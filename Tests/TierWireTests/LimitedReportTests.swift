import Synchronization
import Testing

@testable import TierWire

/// What clients make the daemon say is bounded, and nothing is left out silently.
@Suite struct LimitedReportTests {
  @Test func aFloodIsTenLinesASecondAndACount() {
    let lines = Mutex<[String]>([])
    let nowMs = Mutex<UInt64>(5_000_000)
    let report = LimitedReport(
      nowMs: { nowMs.withLock { $0 } }, report: { line in lines.withLock { $0.append(line) } })
    for number in 0..<1000 { report("refused \(number)") }
    #expect(lines.withLock { $0 } == (0..<10).map { "refused \($0)" })
    nowMs.withLock { $0 += 1000 }
    report("refused again")
    report("and again")
    #expect(lines.withLock { $0.suffix(2) } == ["refused again (990 lines like it were left out)", "and again"])
  }
}
