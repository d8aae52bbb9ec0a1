import ControlAPI
import Testing
import TierCore

@testable import tierctl

@Suite struct FormattingTests {
  @Test func statusReadsAsAPage() {
    let expected = """
      tierd 0.1.0, pid 4242, up 3 min 12 s, 1 session, 1 sequence (2 queued), 32 leases

      tier      used  budget                full    peak   ring  blocks
      device  36 MiB  48 MiB  [######..]  75.0 %  48 MiB  6 MiB     192
      disk    91 MiB   2 GiB  [........]   4.4 %  91 MiB    0 B   1,234

      tenant  tier     used  guaranteed  at most                  workers     sequences  displaced
      team    host  312 MiB     512 MiB    2 GiB  [##..........]  3 of 16  1 (2 queued)          3

      moved             blocks      bytes
      worker -> device   1,426  267.4 MiB

      acquired: 12,345 hits (99.6 %), 55 waited for, 0 lost

      spill: 1,234 records, 90 MiB live, 1 MiB dead, 92 MiB in files, compressed 1.40 to 1, ok

      took     count     p50     p99   most
      acquire  5,000  7.5 µs  1.2 ms  2.5 s
      """
    #expect(StatusView(style: Style(unicode: false), barWidth: 8).render(Samples.status) == expected)
  }

  @Test func topShowsRatesBetweenTwoReadings() {
    var now = Samples.status
    now.moves[0].blocks += 200
    now.moves[0].bytes += 4 << 20
    now.hits += 300
    now.misses += 100
    let text = TopFrame(now: now, before: Samples.status, seconds: 2).render(Style(unicode: true))
    #expect(text.contains("worker → device    2 MiB       100"))
    #expect(text.contains("acquired/s: 150 hits (75.0 %), 50 waited for, 0 lost"))
  }

  @Test func topShowsNoRatesAcrossARestart() {
    var before = Samples.status
    before.instance = "another life"
    let text = TopFrame(now: Samples.status, before: before, seconds: 2).render(Style(unicode: false))
    #expect(text.hasSuffix("acquired: –"))
  }

  @Test func blocksAndSessionsAreTables() {
    let block = BlockStatus(
      Samples.key(0xabcd_ef01_2345_6789, layer: 7, tenant: 1000), tiers: [.host, .disk], bytes: 196_608, leases: 2,
      durable: true)
    let expected = """
      tenant  key               layer  tiers        bytes  leases  durable
        1000  abcdef0123456789      7  host+disk  192 KiB       2  yes
      1 of 1,500 blocks; more with --after x.y
      """
    #expect(BlocksView.render(BlocksReply(blocks: [block], total: 1500, next: "x.y")) == expected)
    #expect(BlocksView.render(BlocksReply(blocks: [], total: 0, next: nil)) == "0 of 0 blocks")
    #expect(SessionsView.render(SessionsReply(sessions: [])) == "no workers are connected")
  }

  @Test func aClientsNameCannotSteerTheTerminal() {
    let session = SessionStatus(
      id: 1, uid: 0, tenant: "uid-0", pid: 2, client: "\u{1b}[2Jevil\n\u{9b}",
      sequences: SequenceCounts(open: 0, queued: 0), leases: 0,
      staged: 0, connectedS: 0)
    let text = SessionsView.render(SessionsReply(sessions: [session]))
    #expect(text.contains("?[2Jevil??"))
  }

  @Test(arguments: [
    (0, "0"), (999, "999"), (1000, "1,000"), (-1_234_567, "-1,234,567"), (Int.min, "-9,223,372,036,854,775,808"),
  ])
  func countsAreGrouped(_ value: Int, _ text: String) {
    #expect(Numbers.count(value) == text)
  }

  @Test(arguments: [
    (7.44, "7.4 µs"), (999.96, "1000.0 µs"), (1234.0, "1.2 ms"), (2_500_000.0, "2.5 s"), (Double.nan, "– s"),
  ])
  func timesHaveAUnit(_ us: Double, _ text: String) {
    #expect(Numbers.microseconds(us) == text)
  }

  @Test(arguments: [
    (0.0, "0 s"), (59.9, "59 s"), (192.0, "3 min 12 s"), (18_120.0, "5 h 2 min"), (349_200.0, "4 d 1 h"),
    (-Double.infinity, "0 s"),
  ])
  func durationsHaveTwoUnits(_ seconds: Double, _ text: String) {
    #expect(Numbers.duration(seconds) == text)
  }

  @Test func barsAreAsWideAsTheySay() {
    let style = Style(unicode: true)
    for part in [-1, 0, 1, 33, 50, 99, 100, 250] { #expect(style.bar(part, of: 100, width: 10).count == 10) }
    #expect(style.bar(50, of: 100, width: 4) == "██░░")
    #expect(style.bar(1, of: 0, width: 4) == "████")
    #expect(style.bar(0, of: 0, width: 4) == "░░░░")
  }

  @Test func changesAreToldInALine() {
    let evicted = EvictReply(blocks: 1, bytes: 1 << 20, pendingBlocks: 2, busyBlocks: 3)
    #expect(
      ChangeViews.render(evicted, to: .disk)
        == "1 block left memory, 1 MiB freed; 2 more once they are on disk; 3 stay: leased or on the move")
    let shrinking = SetReply(tiers: [.init(name: "host", budgetBytes: 1 << 20, usedBytes: 3 << 20)])
    #expect(ChangeViews.render(shrinking).contains("2 MiB still to leave"))
  }
}
