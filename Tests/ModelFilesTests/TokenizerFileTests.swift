import Foundation
import ModelFiles
import Testing

@Suite struct TokenizerFileTests {
  private let scratch: Scratch
  init() throws { scratch = try Scratch() }

  private static let caseless =
    #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#

  private func open(_ change: (inout TinyDirectory) -> Void) throws -> TokenizerDescription {
    var directory = TinyDirectory()
    change(&directory)
    return try directory.open(in: scratch).tokenizer()
  }

  private func split(_ pattern: String) -> [String: Any] {
    [
      "type": "Sequence",
      "pretokenizers": [
        ["type": "Split", "pattern": ["Regex": pattern], "behavior": "Isolated", "invert": false],
        ["type": "ByteLevel", "add_prefix_space": false, "use_regex": false],
      ],
    ]
  }

  @Test func preTokenizersAreRecognised() throws {
    let plain = try open {
      $0.tokenizer["pre_tokenizer"] = ["type": "ByteLevel", "add_prefix_space": false, "use_regex": true]
    }
    #expect(plain.preTokenizer == .gpt2)
    let llama = Self.caseless.replacingOccurrences(of: "%", with: "{1,3}")
    #expect(try open { $0.tokenizer["pre_tokenizer"] = split(llama) }.preTokenizer == .llama3)
    let qwen = Self.caseless.replacingOccurrences(of: "%", with: "")
    #expect(try open { $0.tokenizer["pre_tokenizer"] = split(qwen) }.preTokenizer == .qwen2)
  }

  @Test func otherPatternsAreNamed() throws {
    #expect(throws: ModelFileError.unsupportedTokenizer(path: scratch.path + "/tokenizer.json", name: #"Split by \d+"#))
    {
      try open { $0.tokenizer["pre_tokenizer"] = split(#"\d+"#) }
    }
    #expect(throws: ModelFileError.unsupportedTokenizer(path: scratch.path + "/tokenizer.json", name: "Unigram")) {
      try open { $0.tokenizer["model"] = ["type": "Unigram"] }
    }
    #expect(
      throws: ModelFileError.unsupportedTokenizer(path: scratch.path + "/tokenizer.json", name: "normalizer NFKC")
    ) {
      try open { $0.tokenizer["normalizer"] = ["type": "NFKC"] }
    }
  }

  @Test func piecesUnderOtherRulesAreNamed() throws {
    func refused(_ name: String, _ change: @escaping (inout TinyDirectory) -> Void) {
      #expect(throws: ModelFileError.unsupportedTokenizer(path: scratch.path + "/tokenizer.json", name: name)) {
        try open { directory in
          var model = directory.tokenizer["model"] as? [String: Any] ?? [:]
          model["byte_fallback"] = true
          model["unk_token"] = "a"
          directory.tokenizer["model"] = model
          directory.tokenizer["pre_tokenizer"] = NSNull()
          change(&directory)
        }
      }
    }
    let replace: [String: Any] = ["type": "Replace", "pattern": ["String": " "], "content": "\u{2581}"]
    refused("BPE with byte_fallback whose spaces are not replaced once") { _ in }
    refused("normalizer Precompiled with byte_fallback") { $0.tokenizer["normalizer"] = ["type": "Precompiled"] }
    refused("pre-tokenizer BertPreTokenizer with byte_fallback") {
      $0.tokenizer["normalizer"] = replace
      $0.tokenizer["pre_tokenizer"] = ["type": "BertPreTokenizer"]
    }
    refused("pre-tokenizer Metaspace with byte_fallback") {
      $0.tokenizer["pre_tokenizer"] = ["type": "Metaspace", "replacement": "\u{2581}", "split": true]
    }
    refused("decoder WordPiece with byte_fallback") {
      $0.tokenizer["normalizer"] = replace
      $0.tokenizer["decoder"] = ["type": "WordPiece"]
    }
    refused("added token x y with normalized") {
      $0.tokenizer["added_tokens"] = [["id": 258, "content": "x y", "special": true, "normalized": true]]
    }
  }

  @Test func piecesWithoutBytesOrAnUnknownAreRefused() throws {
    #expect(throws: ModelFileError.self) {
      try open { directory in
        var model = directory.tokenizer["model"] as? [String: Any] ?? [:]
        model["byte_fallback"] = true
        directory.tokenizer["model"] = model
        directory.tokenizer["pre_tokenizer"] = NSNull()
        directory.tokenizer["normalizer"] = ["type": "Replace", "pattern": ["String": " "], "content": "\u{2581}"]
      }
    }
  }

  @Test func theBeginTokenIsTheTemplates() throws {
    let tokenizer = try open {
      $0.tokenizer["post_processor"] = [
        "type": "Sequence",
        "processors": [
          ["type": "ByteLevel"],
          [
            "type": "TemplateProcessing",
            "single": [["SpecialToken": ["id": "<|im_start|>"]], ["Sequence": ["id": "A"]]],
          ],
        ],
      ]
    }
    #expect(tokenizer.addsBeginToken)
    #expect(tokenizer.beginToken == 258)
  }

  @Test func neighboursAreRead() throws {
    let tokenizer = try open {
      $0.others["generation_config.json"] = Array(#"{"eos_token_id":[3,4]}"#.utf8)
      $0.others["tokenizer_config.json"] = Array(#"{"chat_template":[{"name":"default","template":"t"}]}"#.utf8)
    }
    #expect(tokenizer.endTokens == [3, 4, 259])
    #expect(tokenizer.chatTemplate == "t")
    #expect(try open { $0.others["chat_template.jinja"] = Array("own".utf8) }.chatTemplate == "own")
  }

  @Test func mergesOfUnknownTokensAreRefused() throws {
    #expect(throws: ModelFileError.self) {
      try open {
        $0.tokenizer["model"] = ["type": "BPE", "vocab": ["a": 0, "b": 1], "merges": ["a b"]] as [String: Any]
      }
    }
  }

  @Test func aTokenizerLargerThanTheModelIsRefused() throws {
    #expect(throws: ModelFileError.self) {
      try open { $0.tokenizer["added_tokens"] = [["id": 260, "content": "<extra>", "special": true]] }
    }
  }

  @Test func aModelNeedsNoTokenizerUntilItIsAskedForOne() throws {
    try TinyDirectory().write(to: scratch)
    try FileManager.default.removeItem(atPath: scratch.path + "/tokenizer.json")
    let checkpoint = try Checkpoint(path: scratch.path)
    #expect(throws: ModelFileError.missing(path: scratch.path + "/tokenizer.json")) { try checkpoint.tokenizer() }
  }
}
