import Foundation
import ModelFiles

/// A Llama of one layer whose every weight tells where it belongs: hidden 32, 2 query heads and 1 key head of 16.
enum TinyModel {
  static let hidden = 32
  static let intermediate = 64
  static let headDim = 16
  static let specials = ["<|im_start|>", "<|im_end|>"]
  static let merges = ["a b", "ab c"]
  /// The 256 characters of the byte alphabet, two merges, two control tokens.
  static let tokens: [String] = {
    var next: UInt32 = 0x100
    let bytes = (0...255 as ClosedRange<UInt32>).map { byte -> String in
      switch byte {
      case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: return String(Unicode.Scalar(byte)!)
      default:
        defer { next += 1 }
        return String(Unicode.Scalar(next)!)
      }
    }
    return bytes + ["ab", "abc"] + specials
  }()

  /// Canonical name, shape outermost first. Content of row r is r repeated, so that order shows.
  static let shapes: [(canonical: String, gguf: String, shape: [Int])] = [
    ("model.embed_tokens.weight", "token_embd.weight", [tokens.count, hidden]),
    ("model.layers.0.input_layernorm.weight", "blk.0.attn_norm.weight", [hidden]),
    ("model.layers.0.self_attn.q_proj.weight", "blk.0.attn_q.weight", [2 * headDim, hidden]),
    ("model.layers.0.self_attn.k_proj.weight", "blk.0.attn_k.weight", [headDim, hidden]),
    ("model.layers.0.self_attn.v_proj.weight", "blk.0.attn_v.weight", [headDim, hidden]),
    ("model.layers.0.self_attn.o_proj.weight", "blk.0.attn_output.weight", [hidden, 2 * headDim]),
    ("model.layers.0.post_attention_layernorm.weight", "blk.0.ffn_norm.weight", [hidden]),
    ("model.layers.0.mlp.gate_proj.weight", "blk.0.ffn_gate.weight", [intermediate, hidden]),
    ("model.layers.0.mlp.up_proj.weight", "blk.0.ffn_up.weight", [intermediate, hidden]),
    ("model.layers.0.mlp.down_proj.weight", "blk.0.ffn_down.weight", [hidden, intermediate]),
    ("model.norm.weight", "output_norm.weight", [hidden]),
  ]

  static func content(_ shape: [Int]) -> [UInt8] {
    var bytes: [UInt8] = []
    for row in 0..<shape.dropLast().reduce(1, *) {
      for _ in 0..<shape.last! { bytes.put(Float(row).bitPattern) }
    }
    return bytes
  }

  static func gguf() -> GGUFWriter {
    var writer = GGUFWriter()
    writer.metadata = [
      ("general.architecture", .string("llama")),
      ("llama.block_count", .uint32(1)),
      ("llama.context_length", .uint32(64)),
      ("llama.embedding_length", .uint32(UInt32(hidden))),
      ("llama.feed_forward_length", .uint32(UInt32(intermediate))),
      ("llama.attention.head_count", .uint32(2)),
      ("llama.attention.head_count_kv", .uint32(1)),
      ("llama.attention.layer_norm_rms_epsilon", .float32(1e-5)),
      ("llama.rope.freq_base", .float32(50_000)),
      ("tokenizer.ggml.model", .string("gpt2")),
      ("tokenizer.ggml.pre", .string("smollm")),
      ("tokenizer.ggml.tokens", .strings(tokens)),
      ("tokenizer.ggml.token_type", .int32s(tokens.map { specials.contains($0) ? 3 : 1 })),
      ("tokenizer.ggml.merges", .strings(merges)),
      ("tokenizer.ggml.eos_token_id", .uint32(259)),
    ]
    writer.tensors = shapes.map { tensor in
      GGUFWriter.Tensor(
        name: tensor.gguf, dimensions: tensor.shape.reversed().map(UInt64.init), content: content(tensor.shape))
    }
    return writer
  }
}

/// A directory that goes when the test is over.
final class Scratch {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "tierd-models-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  @discardableResult
  func write(_ name: String, _ bytes: some Sequence<UInt8>) throws -> String {
    try Data(bytes).write(to: URL(fileURLWithPath: path + "/" + name))
    return path + "/" + name
  }
}
