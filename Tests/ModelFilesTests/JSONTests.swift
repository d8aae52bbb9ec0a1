import Testing

@testable import ModelFiles

@Suite struct JSONTests {
  private func parse(_ text: String) throws -> JSON {
    try Array(text.utf8).withUnsafeBytes { try JSON.parse($0, path: "x") }
  }

  @Test func valuesAreRead() throws {
    let json = try parse(#" {"a":[1,-2.5e1,true,false,null,"\u00e9\ud83e\udd80\n\"\\\/"],"":{}} "#)
    let items = try #require(json["a"]?.array)
    #expect(items[0].integer == 1)
    #expect(items[1].number == -25)
    #expect(items[2].bool == true)
    #expect(items[3].bool == false)
    #expect(items[4].isNull)
    #expect(items[5].string == "é🦀\n\"\\/")
    #expect(json[""]?.object != nil)
    #expect(try parse("123456789012345678901234567890").number == 123456789012345678901234567890.0)
  }

  @Test func equivalentSpellingsAreDifferentKeys() throws {
    #expect(try parse("{\"e\u{301}\":1,\"\u{e9}\":2}").object?.members.count == 2)
  }

  @Test(arguments: [
    "", " ", "{", "[1", "[1,]", "{\"a\"}", "{\"a\":1,}", "{a:1}", "01", "1.", "-", "+1", "1e", ".5", "tru", "nul", "\"",
    "\"\\x\"", "\"\\u12\"", "\"\\ud800\"", "\"\\ud800\\u0041\"", "\"\\udc00\"", "1 2", "{\"a\":1,\"a\":2}", "NaN",
    String(repeating: "[", count: 100_000), String(repeating: "[", count: 65) + String(repeating: "]", count: 65),
  ])
  func whatIsNoJSONIsRefused(text: String) {
    #expect(throws: ModelFileError.self) { try parse(text) }
  }

  @Test func bytesThatAreNoTextAreRefused() {
    let bytes: [UInt8] = [0x22, 0xFF, 0x22]
    #expect(throws: ModelFileError.self) { try bytes.withUnsafeBytes { try JSON.parse($0, path: "x") } }
  }
}
