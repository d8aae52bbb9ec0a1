import Foundation
import ModelFiles
import Testing

/// What a family's files may hold that is not computed, or not there: refused by name, before anything is.
@Suite struct FamilyRefusalTests {
  /// A family's directory with some values of its configuration, or bytes of its weights, changed.
  private func refusal(
    _ family: String, _ changes: [String: any Sendable], replacing bytes: (String, String)? = nil
  ) throws -> ModelFileError? {
    let directory = NSTemporaryDirectory() + "tierd-refusal-\(UUID().uuidString)"
    try FileManager.default.copyItem(atPath: FamilyTests.path(family), toPath: directory)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let file = URL(fileURLWithPath: directory + "/config.json")
    var config = try #require(JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any])
    for (key, value) in changes { config[key] = value }
    try JSONSerialization.data(withJSONObject: config).write(to: file)
    if let (old, new) = bytes {
      precondition(old.utf8.count == new.utf8.count, "the header's offsets stay")
      let weights = URL(fileURLWithPath: directory + "/model.safetensors")
      var data = try Data(contentsOf: weights)
      data.replaceSubrange(try #require(data.range(of: Data(old.utf8))), with: Data(new.utf8))
      try data.write(to: weights)
    }
    guard let error = Self.open(directory) else { return nil }
    #expect(!error.description.contains("\n"))
    return error
  }

  /// What opening a model says; nil where it succeeds.
  private static func open(_ path: String) -> ModelFileError? {
    do throws(ModelFileError) {
      _ = try Checkpoint(path: path)
      return nil
    } catch {
      return error
    }
  }

  @Test func whatIsNotChangedIsTaken() throws {
    for family in FamilyTests.names { #expect(try refusal(family, [:]) == nil) }
  }

  @Test(
    arguments: [
      ("gemma3", "use_bidirectional_attention", true, "use_bidirectional_attention"),
      ("gemma3", "attn_logit_softcapping", 50.0, "attn_logit_softcapping in gemma3_text"),
      ("gemma2", "hidden_activation", "gelu", "hidden_activation gelu"),
      ("qwen3", "attention_bias", true, "attention_bias"),
      ("qwen2", "hidden_act", "gelu_pytorch_tanh", "hidden_act gelu_pytorch_tanh"),
      ("mistral", "quantization_config", ["quant_method": "awq"], "quantization_config \"awq\""),
      (
        "llama3", "rope_parameters", ["rope_type": "longrope", "factor": 2.0] as [String: any Sendable],
        "rope scaling longrope"
      ),
      (
        "qwen2", "rope_parameters", ["rope_type": "yarn", "factor": 2.0, "mscale": 1.0] as [String: any Sendable],
        "rope scaling yarn with mscale"
      ),
      ("llama4", "layer_types", Array(repeating: "linear_attention", count: 4), "layer type linear_attention"),
    ] as [(String, String, any Sendable, String)])
  func featuresAreNamed(family: String, key: String, value: any Sendable, feature: String) throws {
    guard case .unsupportedFeature(_, feature) = try refusal(family, [key: value]) else {
      Issue.record("\(family), \(key): \(String(describing: try refusal(family, [key: value])))")
      return
    }
  }

  @Test(
    arguments: [
      ("mistral", "sliding_window", 0), ("gemma2", "query_pre_attn_scalar", 0), ("gemma2", "head_dim", 512),
      ("gemma2", "attn_logit_softcapping", -1), ("llama4", "num_experts_per_tok", 5),
      ("llama4", "attention_chunk_size", -8),
      ("llama4", "interleave_moe_layer_step", 0), ("llama4", "moe_layers", 7), ("llama4", "num_hidden_layers", 1 << 40),
      ("llama4", "floor_scale", 0), ("gemma3", "_sliding_window_pattern", 0), ("qwen3", "num_key_value_heads", 3),
    ])
  func absurdNumbersAreRefused(family: String, key: String, value: Int) throws {
    // Types of layers would say what the numbers are asked for.
    var changes: [String: any Sendable] = ["layer_types": NSNull(), "moe_layers": NSNull()]
    changes[key] = value
    #expect(try refusal(family, changes) != nil)
  }

  @Test func modelsWithImagesAreToldFromTheirText() throws {
    for (family, type) in [("gemma3", "gemma3"), ("llama4", "llama4")] {
      guard case .unsupportedFeature(_, let feature) = try refusal(family, ["model_type": type]) else {
        Issue.record("\(type) was taken")
        continue
      }
      #expect(feature.contains("images"))
    }
    guard
      case .unknownArchitecture(_, "Gemma3ForConditionalGeneration") = try refusal(
        "gemma3", ["architectures": ["Gemma3ForConditionalGeneration"]])
    else {
      Issue.record("a class that does not predict text was taken")
      return
    }
  }

  @Test(
    arguments: [
      ("gemma2", "post_feedforward_layernorm", "post_feedforward_layernocm"),
      ("gemma3", "layers.1.self_attn.q_norm", "layers.1.self_attn.x_norm"),
      ("qwen2", "layers.2.self_attn.k_proj.bias", "layers.2.self_attn.k_proj.bics"),
      ("llama4", "feed_forward.experts.down_proj", "feed_forward.experts.dxwn_proj"),
      ("llama4", "feed_forward.router.weight", "feed_forward.routxr.weight"),
    ])
  func missingTensorsAreNamed(family: String, name: String, other: String) throws {
    guard case .missingTensor(_, let missing) = try refusal(family, [:], replacing: (name, other)) else {
      Issue.record("\(family) without \(name) was taken")
      return
    }
    // Llama 4's feed-forwards go by canonical names.
    let last = name.split(separator: ".").last { $0 != "weight" }!
    #expect(missing.contains(last) || missing.contains("router"))
  }

  @Test(
    arguments: [
      ("gemma3", "head_dim", 8), ("llama4", "intermediate_size", 32), ("llama4", "num_local_experts", 8),
      ("qwen2", "num_key_value_heads", 4), ("gemma2", "intermediate_size", 96),
    ])
  func misshapenTensorsAreNamed(family: String, key: String, value: Int) throws {
    guard case .wrongShape = try refusal(family, [key: value]) else {
      Issue.record("\(family) with \(key) \(value): \(String(describing: try refusal(family, [key: value])))")
      return
    }
  }

  @Test func tensorsBeyondTheFamilyAreNamed() throws {
    // A Llama has no norms of q and k.
    guard
      case .unsupportedFeature(_, let feature) = try refusal(
        "qwen3", ["model_type": "llama", "architectures": ["LlamaForCausalLM"]])
    else {
      Issue.record("norms of q and k were passed over")
      return
    }
    #expect(feature == "tensor model.layers.0.self_attn.k_norm.weight")
  }
}
