import Foundation
import ModelFiles

/// The tiny model as a Hugging Face directory. Files are JSON text, to be changed by the tests.
struct TinyDirectory {
  var config: [String: Any] = [
    "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 32, "intermediate_size": 64,
    "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16, "vocab_size": 260,
    "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "hidden_act": "silu", "tie_word_embeddings": true,
    "eos_token_id": 259, "dtype": "float32", "rope_parameters": ["rope_type": "default", "rope_theta": 50000.0],
  ]
  var tokenizer: [String: Any] = [
    "normalizer": NSNull(),
    "pre_tokenizer": [
      "type": "Sequence",
      "pretokenizers": [
        ["type": "Digits", "individual_digits": true],
        ["type": "ByteLevel", "add_prefix_space": false, "use_regex": true],
      ],
    ],
    "post_processor": NSNull(),
    "added_tokens": TinyModel.specials.enumerated().map { ["id": 258 + $0, "content": $1, "special": true] },
    "model": [
      "type": "BPE",
      "vocab": Dictionary(uniqueKeysWithValues: TinyModel.tokens.prefix(258).enumerated().map { ($1, $0) }),
      "merges": [["a", "b"], ["ab", "c"]],
    ],
  ]
  /// nil leaves the file out.
  var weights: [UInt8]? = SafetensorsBytes.file(TinyModel.shapes.map { ($0.canonical, $0.shape) })
  var others: [String: [UInt8]] = [:]

  func write(to scratch: Scratch) throws {
    try scratch.write("config.json", JSONSerialization.data(withJSONObject: config))
    try scratch.write("tokenizer.json", JSONSerialization.data(withJSONObject: tokenizer))
    if let weights { try scratch.write("model.safetensors", weights) }
    for (name, bytes) in others { try scratch.write(name, bytes) }
  }

  func open(in scratch: Scratch) throws -> Checkpoint {
    try write(to: scratch)
    return try Checkpoint(path: scratch.path)
  }
}

enum SafetensorsBytes {
  static func file(_ tensors: [(name: String, shape: [Int])]) -> [UInt8] {
    var entries = ["\"__metadata__\":{\"format\":\"pt\"}"]
    var data: [UInt8] = []
    for tensor in tensors {
      let content = TinyModel.content(tensor.shape)
      entries.append(
        "\"\(tensor.name)\":{\"dtype\":\"F32\",\"shape\":\(tensor.shape),"
          + "\"data_offsets\":[\(data.count),\(data.count + content.count)]}")
      data += content
    }
    return file(header: "{" + entries.joined(separator: ",") + "}", data: data)
  }

  static func file(header: String, data: [UInt8]) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.put(header)
    return bytes + data
  }
}
