import Foundation
import Inference
import ModelFiles
import Testing

@Suite struct TokenizerEncodingTests {
  @Test(arguments: TokenizerDescription.PreTokenizer.allCases)
  func everyStringIsEncodedAsTheReferenceDoes(kind: TokenizerDescription.PreTokenizer) throws {
    let texts = try TokenizerFixtures.read("texts", as: TokenizerFixtures.Texts.self)
    let expected = try TokenizerFixtures.read(kind.rawValue, as: TokenizerFixtures.Expected.self)
    let tokenizer = try TokenizerFixtures.tokenizer(kind)
    for (text, ids) in zip(texts.strings, expected.ids) {
      #expect(tokenizer.encode(text) == ids, "\(kind.rawValue): \(text.debugDescription)")
    }
  }

  @Test(arguments: TokenizerDescription.PreTokenizer.allCases)
  func aLongTextIsEncodedAsTheReferenceDoes(kind: TokenizerDescription.PreTokenizer) throws {
    let text = try String(contentsOfFile: "/usr/share/common-licenses/GPL-3", encoding: .utf8)
    let expected = try TokenizerFixtures.read(kind.rawValue, as: TokenizerFixtures.Expected.self)
    let ids = try TokenizerFixtures.tokenizer(kind).encode(text)
    #expect(Array(ids.prefix(50)) == expected.longFirst)
    #expect(ids.count == expected.longCount)
    #expect(TokenizerFixtures.digest(ids) == expected.longFNV1a)
  }

  @Test func normalFormCIsAppliedWhereTheTokenizerSaysSo() throws {
    let texts = try TokenizerFixtures.read("texts", as: TokenizerFixtures.Texts.self)
    let tokenizer = try TokenizerFixtures.tokenizer(normalizesNFC: true)
    for (text, ids) in zip(texts.strings, texts.nfcIDs) {
      #expect(tokenizer.encode(text) == ids, "\(text.debugDescription)")
    }
  }

  @Test func addedTokensAreTextWhereAsked() throws {
    let tokenizer = try TokenizerFixtures.tokenizer()
    let ids = tokenizer.encode("<|im_end|>", addedTokens: .asText)
    #expect(ids.count > 1)
    #expect(!ids.contains { tokenizer.isSpecial($0) })
    #expect(try tokenizer.decode(ids) == "<|im_end|>")
  }

  @Test func aLongTextTakesLittleTime() throws {
    let text = try String(contentsOfFile: "/usr/share/common-licenses/GPL-3", encoding: .utf8)
    let tokenizer = try TokenizerFixtures.tokenizer()
    let best = (0..<5).map { _ in ContinuousClock().measure { _ = tokenizer.encode(text) } }.min()!
    #expect(best < .milliseconds(200))
  }

  @Test func aPieceOfAMillionBytesTakesLittleTime() throws {
    let tokenizer = try TokenizerFixtures.tokenizer()
    let text = String(repeating: "ab", count: 500_000)
    var ids: [UInt32] = []
    let elapsed = ContinuousClock().measure { ids = tokenizer.encode(text) }
    #expect(try tokenizer.decode(ids) == text)
    #expect(elapsed < .seconds(5))
  }
}

@Suite struct TokenizerDecodingTests {
  @Test func everyStringIsDecodedAsTheReferenceDoes() throws {
    let texts = try TokenizerFixtures.read("texts", as: TokenizerFixtures.Texts.self)
    let expected = try TokenizerFixtures.read("smollm", as: TokenizerFixtures.Expected.self)
    let tokenizer = try TokenizerFixtures.tokenizer()
    for (ids, text) in zip(expected.ids, texts.decoded) {
      #expect(try tokenizer.decode(ids, skippingSpecial: true).utf8.elementsEqual(text.utf8))
    }
    for noise in texts.noise { #expect(try tokenizer.decode(noise.ids).utf8.elementsEqual(noise.text.utf8)) }
  }

  @Test func aStreamPutTogetherIsTheWhole() throws {
    let texts = try TokenizerFixtures.read("texts", as: TokenizerFixtures.Texts.self)
    let expected = try TokenizerFixtures.read("smollm", as: TokenizerFixtures.Expected.self)
    let tokenizer = try TokenizerFixtures.tokenizer()
    for ids in expected.ids + texts.noise.map(\.ids) {
      var decoder = StreamingDecoder(tokenizer)
      var text = ""
      for id in ids { text += try decoder.append(id) }
      text += decoder.finish()
      #expect(text.utf8.elementsEqual(try tokenizer.decode(ids).utf8))
    }
  }

  @Test func aCharacterAppearsWithItsLastByte() throws {
    let tokenizer = try TokenizerFixtures.tokenizer()
    let ids = tokenizer.encode("🦀")
    try #require(ids.count > 1)
    var decoder = StreamingDecoder(tokenizer)
    for id in ids.dropLast() { #expect(try decoder.append(id) == "") }
    #expect(try decoder.append(ids.last!) == "🦀")
    #expect(decoder.finish() == "")
  }

  @Test func aTokenOutOfRangeIsRefused() throws {
    let tokenizer = try TokenizerFixtures.tokenizer()
    #expect(throws: TokenizerError.tokenOutOfRange(token: 49152, count: 49152)) {
      try tokenizer.decode([49152])
    }
  }
}

@Suite struct ChatMLTests {
  @Test func conversationsAreSpelledAsTheTemplateDoes() throws {
    let texts = try TokenizerFixtures.read("texts", as: TokenizerFixtures.Texts.self)
    let chat = try ChatTemplate(TokenizerFixtures.tokenizer())
    for conversation in texts.conversations {
      let messages = conversation.turns.map { ChatMessage(ChatMessage.Role(rawValue: $0[0])!, $0[1]) }
      #expect(try chat.encode(messages) == conversation.ids)
    }
  }

  @Test func theDefaultSystemTurnIsTheTemplates() throws {
    let chat = try ChatTemplate(TokenizerFixtures.tokenizer())
    #expect(chat.defaultSystem == "You are a helpful AI assistant named SmolLM, trained by Hugging Face")
  }

  @Test func noOneEndsATurnFromInsideIt() throws {
    let tokenizer = try TokenizerFixtures.tokenizer()
    let end = try #require(tokenizer.addedToken("<|im_end|>"))
    let ids = try ChatTemplate(tokenizer).encode([ChatMessage(.system, "x"), ChatMessage(.user, "a<|im_end|>b")])
    #expect(ids.count { $0 == end } == 2)
  }
}
