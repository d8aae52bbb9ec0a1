import Foundation
import ModelFiles
import Testing

@Suite struct GGUFRefusalTests {
  private let scratch: Scratch
  init() throws { scratch = try Scratch() }

  /// What opening these bytes, the tokenizer included, says; nil where it succeeds.
  private func refusal(_ bytes: some Sequence<UInt8>) throws -> ModelFileError? {
    let path = try scratch.write("bad.gguf", bytes)
    do {
      _ = try Checkpoint(path: path).tokenizer()
      return nil
    } catch {
      #expect(!error.description.contains("\n"))
      return error
    }
  }

  private func refusal(_ change: (inout GGUFWriter) -> Void) throws -> ModelFileError? {
    var writer = TinyModel.gguf()
    change(&writer)
    return try refusal(writer.bytes())
  }

  private var path: String { scratch.path + "/bad.gguf" }

  @Test func everyTruncationIsRefused() throws {
    let bytes = TinyModel.gguf().bytes()
    #expect(try refusal(bytes) == nil)
    for step in 0..<200 {
      let error = try refusal(bytes.prefix(bytes.count * step / 200))
      switch error {
      case .truncated, .wrongMagic: continue
      default: Issue.record("cut to \(step)/200: \(String(describing: error))")
      }
    }
  }

  @Test func noChangedByteOfTheHeaderIsFatal() throws {
    let bytes = TinyModel.gguf().bytes()
    let headerBytes = bytes.count - TinyModel.shapes.reduce(0) { $0 + TinyModel.content($1.shape).count }
    var generator = SystemRandomNumberGenerator.Seeded(state: 7)
    for _ in 0..<600 {
      var mutated = bytes
      let at = Int.random(in: 0..<headerBytes, using: &generator)
      mutated[at] = [0, 1, 0x7F, 0x80, 0xFF].randomElement(using: &generator)!
      _ = try refusal(mutated)
    }
  }

  @Test(arguments: [1, 8, 1 << 20, UInt64(UInt32.max), UInt64(Int64.max), .max])
  func hugeCountsAreRefused(extra: UInt64) throws {
    #expect(try refusal { $0.tensorCount = 11 &+ max(extra, 1 << 18) } != nil)
    #expect(try refusal { $0.keyCount = 15 &+ max(extra, 1 << 18) } != nil)
    #expect(try refusal { $0.tensors[3].dimensions[1] = 16 &+ extra } != nil)
  }

  /// A length is written where each string of the header starts.
  @Test(arguments: [UInt64(1) << 20, 1 << 40, UInt64(Int64.max), .max])
  func absurdLengthsAreRefused(length: UInt64) throws {
    let bytes = TinyModel.gguf().bytes()
    for text in ["general.architecture", "llama.block_count", "tokenizer.ggml.tokens", "blk.0.attn_q.weight"] {
      let start = try #require(bytes.firstRange(of: Array(text.utf8))?.lowerBound)
      var mutated = bytes
      withUnsafeBytes(of: length.littleEndian) { mutated.replaceSubrange(start - 8..<start, with: $0) }
      switch try refusal(mutated) {
      case .absurdSize, .truncated: continue
      case let error: Issue.record("\(text) of \(length) bytes: \(String(describing: error))")
      }
    }
  }

  @Test func otherFilesAreToldApart() throws {
    #expect(throws: ModelFileError.missing(path: "/nowhere/model.gguf")) {
      try Checkpoint(path: "/nowhere/model.gguf")
    }
    #expect(try refusal(Array("PK\u{3}\u{4}".utf8)) == .wrongMagic(path: path, expected: "GGUF"))
    #expect(try refusal([]) == .wrongMagic(path: path, expected: "GGUF"))
    let fifo = scratch.path + "/fifo"
    mkfifo(fifo, 0o600)
    #expect(throws: ModelFileError.unreadable(path: fifo, reason: "not a regular file")) {
      try Checkpoint(path: fifo)
    }
  }

  @Test func versionsAreNamed() throws {
    #expect(try refusal { $0.version = 1 } == .unsupportedVersion(path: path, found: "GGUF version 1"))
    #expect(
      try refusal { $0.version = UInt32(3).byteSwapped } == .unsupportedVersion(path: path, found: "big-endian GGUF"))
  }

  @Test func whatIsNotSupportedIsNamed() throws {
    #expect(
      try refusal { $0.set("general.architecture", .string("qwen3moe")) }
        == .unknownArchitecture(path: path, name: "qwen3moe"))
    #expect(
      try refusal { $0.tensors[2].type = 13 }
        == .unsupportedTensorType(path: path, tensor: "blk.0.attn_q.weight", type: "Q5_K"))
    #expect(
      try refusal { $0.tensors[2].type = 4000 }
        == .unsupportedTensorType(path: path, tensor: "blk.0.attn_q.weight", type: "number 4000"))
    #expect(
      try refusal { $0.set("tokenizer.ggml.pre", .string("tekken")) }
        == .unsupportedTokenizer(path: path, name: "tekken"))
    #expect(
      try refusal { $0.set("tokenizer.ggml.model", .string("bert")) }
        == .unsupportedTokenizer(path: path, name: "bert"))
    #expect(
      try refusal { $0.set("llama.rope.scaling.type", .string("longrope")) }
        == .unsupportedFeature(path: path, feature: "rope scaling longrope"))
    #expect(
      try refusal { $0.set("llama.expert_count", .uint32(8)) }
        == .unsupportedFeature(path: path, feature: "a mixture of 8 experts"))
    #expect(
      try refusal {
        $0.tensors.append(
          GGUFWriter.Tensor(name: "blk.0.attn_q.bias", dimensions: [32], content: TinyModel.content([32])))
      } == .unsupportedFeature(path: path, feature: "tensor blk.0.attn_q.bias"))
  }

  @Test func piecesWithoutScoresAreRefused() throws {
    guard case .malformed(_, let what) = try refusal({ $0.set("tokenizer.ggml.model", .string("llama")) }) else {
      Issue.record("pieces without scores were taken")
      return
    }
    #expect(what.hasPrefix("tokenizer.ggml.scores"))
  }

  @Test func missingAndMisshapenTensorsAreNamed() throws {
    #expect(
      try refusal { $0.tensors.remove(at: 2) }
        == .missingTensor(path: path, name: "model.layers.0.self_attn.q_proj.weight"))
    #expect(
      try refusal { $0.tensors[2].dimensions = [16, 64] }
        == .wrongShape(path: path, name: "blk.0.attn_q.weight", expected: [32, 32], found: [64, 16]))
    #expect(
      try refusal { $0.tensors[1].name = "blk.0.ffn_norm.weight" }
        == .malformed(path: path, what: "two tensors are named blk.0.ffn_norm.weight"))
  }

  @Test(
    arguments: [
      ("llama.block_count", 0), ("llama.block_count", 1 << 20), ("llama.attention.head_count", 0),
      ("llama.attention.head_count_kv", 0), ("llama.attention.head_count_kv", 3), ("llama.embedding_length", 1 << 30),
      ("llama.context_length", 0), ("general.alignment", 3), ("general.alignment", 0),
      ("llama.attention.key_length", 15), ("llama.vocab_size", 1 << 30), ("tokenizer.ggml.eos_token_id", 260),
    ] as [(String, UInt32)])
  func absurdNumbersAreRefused(key: String, value: UInt32) throws {
    #expect(try refusal { $0.set(key, .uint32(value)) } != nil)
  }

  @Test(arguments: [
    "general.architecture", "llama.block_count", "llama.embedding_length", "llama.attention.layer_norm_rms_epsilon",
    "tokenizer.ggml.model", "tokenizer.ggml.pre", "tokenizer.ggml.tokens",
  ])
  func missingKeysAreNamed(key: String) throws {
    #expect(try refusal { $0.set(key, nil) } == .missingKey(path: path, key: key))
  }

  @Test func namesCannotWriteToTheTerminal() throws {
    let error = try #require(try refusal { $0.set("general.architecture", .string("x\u{1B}[2J\n\u{202E}y")) })
    #expect(error.description.contains("architecture x\\u{1b}[2J\\u{a}\\u{202e}y"))
  }
}

extension SystemRandomNumberGenerator {
  /// A linear congruential generator: the same mutations on every run.
  struct Seeded: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return state ^ state >> 32
    }
  }
}
