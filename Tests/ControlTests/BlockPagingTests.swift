import ControlAPI
import Testing
import TierCore

@Suite struct BlockPagingTests {
  @Test func aKeyPrefixMatchesTheDigitsOfTheID() throws {
    let id = BlockID(a: 0x0123_4567_89ab_cdef, b: 0xfedc_ba98_7654_3210, c: 5, d: 6)
    for count in 1...64 {
      let prefix = try #require(KeyPrefix(String(id.hexText.prefix(count)).uppercased()))
      #expect(prefix.matches(id), "\(count) digits")
    }
    #expect(try !#require(KeyPrefix("0123456789abcdee")).matches(id))
    #expect(try !#require(KeyPrefix("0123456789abcdeff")).matches(BlockID(a: id.a, b: 0, c: 0, d: 0)))
  }

  @Test(arguments: ["", "xyz", "12 ", "0x1", String(repeating: "a", count: 65), "é"])
  func whatIsNoHexadecimalIsNoPrefix(_ text: String) {
    #expect(KeyPrefix(text) == nil)
  }

  @Test func theHexTextOfAnIDReadsBack() {
    let id = BlockID(a: .max, b: 0, c: 0x8000_0000_0000_0001, d: 42)
    #expect(BlockID(hexText: id.hexText) == id)
    #expect(BlockID(hexText: id.hexText.dropLast()) == nil)
    #expect(BlockID(hexText: id.hexText.dropLast() + "g") == nil)
  }

  @Test(arguments: ["", "1.2", "1..2", "x.\(String(repeating: "0", count: 64)).1", "1.00.1", "-1.00.1"])
  func aForeignCursorIsRefused(_ text: String) {
    #expect(BlockCursor(text: text) == nil)
  }

  @Test(arguments: [1, 2, 7, 100])
  func pagesTogetherAreAllBlocksInOrder(limit: Int) throws {
    var random = SeededGenerator(state: 11)
    let all = Set((0..<300).map { _ in Samples.randomKey(&random) })
    var query = BlocksQuery(limit: limit)
    var listed: [BlockKey] = []
    while true {
      var pager = BlockPager(query)
      for key in all.shuffled(using: &random) { pager.offer(key) }
      let page = pager.page()
      #expect(page.total == all.count)
      #expect(page.blocks.count <= limit)
      listed += page.blocks
      guard let next = page.next else { break }
      let cursor: BlockCursor = try #require(BlockCursor(text: next))
      query.after = cursor
    }
    #expect(listed == all.sorted { BlockCursor($0) < BlockCursor($1) })
  }

  @Test func aQuerySelectsByTierLayerAndKey() {
    let block = Samples.key(0xabcd << 48, layer: 3)
    #expect(BlocksQuery().matches(block, on: []))
    #expect(BlocksQuery(tier: .host, layer: 3, key: KeyPrefix("abcd")).matches(block, on: [.disk, .host]))
    #expect(!BlocksQuery(tier: .device).matches(block, on: [.disk, .host]))
    #expect(!BlocksQuery(layer: 4).matches(block, on: [.host]))
    #expect(!BlocksQuery(key: KeyPrefix("abce")).matches(block, on: [.host]))
  }
}
