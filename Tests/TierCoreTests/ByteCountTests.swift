import Testing
import TierCore

@Suite struct ByteCountTests {
  @Test(arguments: [
    ("48MiB", 48 << 20), ("8G", 8 << 30), ("1.5 GiB", 3 << 29), ("512", 512), ("0", 0), ("2 kb", 2048),
  ])
  func readsWhatPeopleWrite(_ text: String, _ bytes: Int) { #expect(ByteCount.parse(text) == bytes) }

  @Test(arguments: ["", "MiB", "-1", "1.2.3G", "12X", "99999999999999999999", "9999999999T", "١٢"])
  func refusesWhatIsNoSize(_ text: String) { #expect(ByteCount.parse(text) == nil) }

  @Test func writesAtMostOneDecimal() {
    #expect(ByteCount.text(48 << 20) == "48 MiB")
    #expect(ByteCount.text(3 << 29) == "1.5 GiB")
    #expect(ByteCount.text(999) == "999 B")
  }
}
