import Foundation
import ModelFiles
import Testing

@Suite struct HuggingFaceTests {
  private let scratch: Scratch
  init() throws { scratch = try Scratch() }

  private func refusal(_ change: (inout TinyDirectory) throws -> Void) throws -> ModelFileError? {
    var directory = TinyDirectory()
    try change(&directory)
    do {
      _ = try directory.open(in: scratch)
      return nil
    } catch let error as ModelFileError {
      #expect(!error.description.contains("\n"))
      return error
    }
  }

  @Test func aDirectoryDescribesTheSameModelAsAFile() throws {
    let directory = try TinyDirectory().open(in: scratch)
    let file = try Checkpoint(path: scratch.write("tiny.gguf", TinyModel.gguf().bytes()))
    #expect(directory.config == file.config)
    #expect(directory.config.canonicalText == file.config.canonicalText)
    #expect(directory.weights.names == file.weights.names)
    let (ours, theirs) = (try directory.tokenizer(), try file.tokenizer())
    #expect(ours.tokens == theirs.tokens)
    #expect(ours.merges == theirs.merges)
    #expect(ours.addedTokens == theirs.addedTokens)
    #expect(ours.preTokenizer == theirs.preTokenizer)
    #expect(ours.endTokens == theirs.endTokens)
  }

  @Test func rowsAreInTheFilesOrder() throws {
    let query = try #require(try TinyDirectory().open(in: scratch).weights.find(TensorName.layer(0, .query)))
    #expect((0..<32).map { query.withRow($0) { $0.loadUnaligned(as: Float.self) } } == (0..<32).map(Float.init))
  }

  @Test func olderKeysMeanTheSame() throws {
    var older = TinyDirectory()
    older.config["rope_parameters"] = nil
    older.config["rope_theta"] = 50000.0
    older.config["rope_scaling"] = NSNull()
    older.config["dtype"] = nil
    older.config["torch_dtype"] = "float32"
    older.config["head_dim"] = nil
    var tokenizer = try #require(older.tokenizer["model"] as? [String: Any])
    tokenizer["merges"] = ["a b", "ab c"]
    older.tokenizer["model"] = tokenizer
    let other = try Scratch()
    let newer = try TinyDirectory().open(in: other)
    let model = try older.open(in: scratch)
    #expect(model.config == newer.config)
    #expect(try model.tokenizer().merges == newer.tokenizer().merges)
  }

  @Test(arguments: ["rope_parameters", "rope_scaling"])
  func llama3ScalingIsRead(section: String) throws {
    var directory = TinyDirectory()
    directory.config["rope_parameters"] = nil
    directory.config["rope_theta"] = 500_000.0
    directory.config[section] = [
      "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
      "original_max_position_embeddings": 8192,
    ]
    let scaling = RotaryEmbedding.Scaling.llama3(
      factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 8192)
    #expect(try directory.open(in: scratch).config.rope == RotaryEmbedding(theta: 500_000, scaling: scaling))
  }

  @Test func shardsAreReadAsOne() throws {
    var directory = TinyDirectory()
    directory.weights = nil
    let halves = [TinyModel.shapes.prefix(4), TinyModel.shapes.dropFirst(4)]
    var map: [String: String] = [:]
    for (i, half) in halves.enumerated() {
      let name = "model-0000\(i + 1)-of-00002.safetensors"
      directory.others[name] = SafetensorsBytes.file(half.map { ($0.canonical, $0.shape) })
      for tensor in half { map[tensor.canonical] = name }
    }
    directory.others["model.safetensors.index.json"] = Array(
      try JSONSerialization.data(withJSONObject: ["weight_map": map]))
    let model = try directory.open(in: scratch)
    #expect(model.weights.names == TinyModel.shapes.map(\.canonical).sorted())
    #expect(model.weightFiles.count == 2)
  }

  @Test(arguments: ["../model.safetensors", "/etc/passwd", "", ".."])
  func shardsElsewhereAreRefused(name: String) throws {
    let error = try refusal {
      $0.weights = nil
      let index = ["weight_map": ["model.norm.weight": name]]
      $0.others["model.safetensors.index.json"] = Array(try JSONSerialization.data(withJSONObject: index))
    }
    guard case .malformed = error else {
      Issue.record("\(name): \(String(describing: error))")
      return
    }
  }

  @Test func aShardThatLacksATensorIsNamed() throws {
    let error = try refusal {
      $0.weights = nil
      $0.others["a.safetensors"] = SafetensorsBytes.file([("x", [1])])
      let index = ["weight_map": ["model.norm.weight": "a.safetensors"]]
      $0.others["model.safetensors.index.json"] = Array(try JSONSerialization.data(withJSONObject: index))
    }
    #expect(error == .missingTensor(path: scratch.path + "/a.safetensors", name: "model.norm.weight"))
  }

  @Test func whatIsMissingIsNamed() throws {
    #expect(try refusal { $0.weights = nil } == .missing(path: scratch.path + "/model.safetensors"))
    #expect(
      try refusal { $0.config["hidden_size"] = nil }
        == .missingKey(path: scratch.path + "/config.json", key: "hidden_size"))
  }

  @Test(
    arguments: [
      ("attention_bias", true, "attention_bias"), ("mlp_bias", true, "mlp_bias"),
      ("hidden_act", "gelu", "hidden_act gelu"),
      ("quantization_config", ["quant_method": "gptq"], "quantization_config \"gptq\""),
      ("partial_rotary_factor", 0.5, "partial_rotary_factor 0.5"),
      ("rope_parameters", ["rope_type": "dynamic", "factor": 4.0] as [String: any Sendable], "rope scaling dynamic"),
    ] as [(String, any Sendable, String)])
  func featuresNotSupportedAreNamed(key: String, value: any Sendable, feature: String) throws {
    #expect(
      try refusal { $0.config[key] = value }
        == .unsupportedFeature(path: scratch.path + "/config.json", feature: feature))
  }

  @Test func architecturesNotSupportedAreNamed() throws {
    let path = scratch.path + "/config.json"
    #expect(try refusal { $0.config["model_type"] = "mamba" } == .unknownArchitecture(path: path, name: "mamba"))
    #expect(
      try refusal { $0.config["architectures"] = ["LlamaForSequenceClassification"] }
        == .unknownArchitecture(path: path, name: "LlamaForSequenceClassification"))
  }
}
