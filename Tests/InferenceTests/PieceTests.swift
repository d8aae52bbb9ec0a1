import Foundation
import Testing

@testable import Inference
@testable import ModelFiles

/// Vocabularies with SentencePiece's pieces, against what Hugging Face's tokenizers say of them.
@Suite struct PieceTests {
  struct Expected: Decodable {
    struct Chat: Decodable {
      let style: String
      let template: String
      let turns: [[String]]
      let text: String
    }
    let strings: [String]
    let ids: [String: [[UInt32]]]
    let decoded: [String: [String]]
    let chats: [Chat]
  }

  static let kinds = ["llama2", "mistral", "gemma"]
  let expected: Expected

  init() throws {
    let url = Bundle.module.url(forResource: "Fixtures/pieces/expected", withExtension: "json")!
    expected = try JSONDecoder().decode(Expected.self, from: Data(contentsOf: url))
  }

  static func path(_ name: String) -> String {
    Bundle.module.url(forResource: "Fixtures/pieces/\(name)", withExtension: nil)!.path
  }

  static func tokenizer(_ kind: String) throws -> Tokenizer {
    Tokenizer(try TokenizerDescription(directory: path(kind), config: .object(JSONObject())))
  }

  @Test(arguments: kinds)
  func everyStringIsEncodedAndDecodedAsTheReferenceDoes(kind: String) throws {
    let tokenizer = try Self.tokenizer(kind)
    for (i, text) in expected.strings.enumerated() {
      let ids = expected.ids[kind]![i]
      #expect(tokenizer.encode(text) == ids, "\(kind): \(text.debugDescription)")
      let decoded = try tokenizer.decode(ids, skippingSpecial: true)
      #expect(decoded.utf8.elementsEqual(expected.decoded[kind]![i].utf8), "\(kind): \(text.debugDescription)")
    }
  }

  @Test func aFileWithScoresSaysTheSame() throws {
    let file = try GGUFFile(path: Self.path("llama.gguf"))
    let tokenizer = Tokenizer(try TokenizerDescription(file.metadata))
    for (text, ids) in zip(expected.strings, expected.ids["gemma"]!) {
      #expect(tokenizer.encode(text) == ids, "\(text.debugDescription)")
    }
    #expect(tokenizer.beginTokens == [1])
    #expect(tokenizer.endTokens == [2])
  }

  @Test(arguments: kinds)
  func aStreamPutTogetherIsTheWhole(kind: String) throws {
    let tokenizer = try Self.tokenizer(kind)
    for ids in expected.ids[kind]! {
      var decoder = StreamingDecoder(tokenizer)
      var text = ""
      for id in ids { text += try decoder.append(id) }
      text += decoder.finish()
      #expect(text.utf8.elementsEqual(try tokenizer.decode(ids).utf8))
    }
  }

  @Test func conversationsAreSpelledAsTheTemplatesDo() throws {
    for chat in expected.chats {
      let style = try #require(ChatTemplate.Style(rawValue: chat.style))
      let tokenizer = try Self.tokenizer(for: style, template: chat.template)
      let template = try ChatTemplate(tokenizer)
      #expect(template.style == style)
      let messages = chat.turns.map { ChatMessage(ChatMessage.Role(rawValue: $0[0])!, $0[1]) }
      // The template's own text, control tokens recognised.
      #expect(try template.encode(messages) == tokenizer.encode(chat.text), "\(chat.style): \(chat.text)")
    }
  }

  @Test func noOneEndsATurnFromInsideIt() throws {
    let tokenizer = try Self.tokenizer(for: .gemma, template: "<start_of_turn>")
    let end = try #require(tokenizer.addedToken("<end_of_turn>"))
    let ids = try ChatTemplate(tokenizer).encode([ChatMessage(.user, "a<end_of_turn>b\n\nc")])
    #expect(ids.count { $0 == end } == 1)
    // What is text and a token, though, stays a token.
    let newlines = try #require(tokenizer.addedToken("\n\n"))
    #expect(ids.contains(newlines))
  }

  @Test func aTurnWithoutAPlaceIsRefused() throws {
    let mistral = try ChatTemplate(Self.tokenizer(for: .mistral, template: "[INST]"))
    #expect(throws: TokenizerError.unsupportedTurn("system", style: "Mistral")) {
      try mistral.encode([ChatMessage(.system, "x"), ChatMessage(.user, "y")])
    }
    let gemma2 = try ChatTemplate(
      Self.tokenizer(for: .gemma, template: "<start_of_turn> raise_exception('System role not supported')"))
    #expect(throws: TokenizerError.unsupportedTurn("system", style: "Gemma")) {
      try gemma2.encode([ChatMessage(.system, "x"), ChatMessage(.user, "y")])
    }
  }

  @Test func anUnknownTemplateIsRefusedByItsBeginning() throws {
    let tokenizer = try Self.tokenizer(for: .gemma, template: "{{ '<|user|>' }}")
    #expect(throws: TokenizerError.unsupportedChatTemplate(beginning: "{{ '<|user|>' }}")) {
      try ChatTemplate(tokenizer)
    }
  }

  /// A vocabulary that has the style's tokens, with a template.
  private static func tokenizer(for style: ChatTemplate.Style, template: String) throws -> Tokenizer {
    let scratch = NSTemporaryDirectory() + "tierd-pieces-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: scratch, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: scratch) }
    let kind = style == .gemma ? "gemma" : style == .mistral ? "mistral" : "llama2"
    let controls: [ChatTemplate.Style: [String]] = [
      .llama3: ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
      .llama4: ["<|header_start|>", "<|header_end|>", "<|eot|>"],
    ]
    var json = try #require(
      try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: path(kind) + "/tokenizer.json")))
        as? [String: Any])
    var added = try #require(json["added_tokens"] as? [[String: Any]])
    for (i, content) in (controls[style] ?? []).enumerated() {
      added.append(["id": 2000 + i, "content": content, "special": true])
    }
    json["added_tokens"] = added
    try JSONSerialization.data(withJSONObject: json).write(to: URL(fileURLWithPath: scratch + "/tokenizer.json"))
    try Data(template.utf8).write(to: URL(fileURLWithPath: scratch + "/chat_template.jinja"))
    try Data(#"{"eos_token_id": 2}"#.utf8).write(to: URL(fileURLWithPath: scratch + "/generation_config.json"))
    return Tokenizer(try TokenizerDescription(directory: scratch, config: .object(JSONObject())))
  }
}
