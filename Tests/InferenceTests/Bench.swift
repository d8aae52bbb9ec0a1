import Foundation
import ModelFiles
import TierCore
import TierIdentity

@testable import Inference

/// A model on threads of its own, ready to read text through a store.
final class Bench: @unchecked Sendable {
  // Sendable: tests that share one take turns by `lock`.
  let config: ModelConfig
  let compute: Compute
  let weights: DecoderWeights
  let fingerprint = ModelFingerprint(bytes: [UInt8](repeating: 7, count: 32))!
  let lock = NSLock()

  init(path: String, type: ComputeType, threads: Int = 2, allowsTiles: Bool = true) throws {
    let checkpoint = try Checkpoint(path: path)
    config = checkpoint.config
    compute = try Compute(type: type, threadCount: threads, allowsTiles: allowsTiles)
    weights = try DecoderWeights(config: config, source: checkpoint.weights, compute: compute)
  }

  func layout(blockTokens: Int) -> BlockLayout {
    Transformer.layout(of: config, type: compute.type, blockTokens: blockTokens)!
  }

  func kv(
    _ session: any ResidencySession, blockTokens: Int, maxTokens: Int, sequence: UInt32 = 1,
    change: (inout KVOptions) -> Void = { _ in }
  ) throws -> TieredKV {
    var options = KVOptions(chunkTokens: blockTokens, maxTokens: maxTokens)
    change(&options)
    return try TieredKV(
      session: session, sequence: SequenceID(sequence), fingerprint: fingerprint,
      layout: layout(blockTokens: blockTokens), layers: config.layers, reach: config.reach,
      options: options)
  }

  /// Scores a text through `session`.
  func score(
    _ tokens: [UInt32], chunkTokens: Int, blockTokens: Int = 256, ordered: Bool = false,
    session: any ResidencySession = AllResidentSession(), change: (inout KVOptions) -> Void = { _ in }
  ) throws -> (score: Score, statistics: KVStatistics) {
    try lock.withLock {
      let kv = try kv(session, blockTokens: blockTokens, maxTokens: tokens.count) {
        $0.chunkTokens = chunkTokens
        $0.ordered = ordered
        $0.stallDeadlineMs = 2000
        change(&$0)
      }
      let model = Transformer(
        weights: weights, compute: compute, layout: layout(blockTokens: blockTokens), maxTokens: chunkTokens)
      let score = try Scorer(chunkTokens: chunkTokens).run(tokens, model: model, kv: kv)
      try kv.close()
      return (score, kv.statistics)
    }
  }
}

/// The model of the reference values: fetched by `make model`.
enum RealModel {
  static let path =
    ProcessInfo.processInfo.environment["TIERD_MODEL"] ?? ".build/models/SmolLM2-135M-Instruct.Q4_1.gguf"

  struct Missing: Error, CustomStringConvertible {
    var description: String {
      "\(RealModel.path) is missing: fetch it with `make model`, or point TIERD_MODEL at SmolLM2-135M-Instruct.Q4_1.gguf"
    }
  }

  static let f32 = Result { try bench(.f32) }
  static let bf16 = Result { try bench(.bf16) }

  private static func bench(_ type: ComputeType) throws -> Bench {
    guard FileManager.default.fileExists(atPath: path) else { throw Missing() }
    return try Bench(path: path, type: type)
  }
}

/// The random Llama beside the reference values.
enum TinyModel {
  static let path = Bundle.module.url(forResource: "Fixtures/tiny_llama", withExtension: nil)!.path
  static let f32 = Result { try Bench(path: path, type: .f32) }
  static let bf16 = Result { try Bench(path: path, type: .bf16) }
}

/// What make_reference.py wrote.
struct Reference: Decodable {
  let tokens: [UInt32]
  let nll: [Float]
  let top5: [[Float]]

  static func load(_ name: String) throws -> Reference {
    let url = Bundle.module.url(forResource: "Fixtures/\(name)", withExtension: "json")!
    return try JSONDecoder().decode(Reference.self, from: Data(contentsOf: url))
  }

  func meanDifference(_ other: [Float]) -> Double {
    zip(nll, other).reduce(0) { $0 + Double(abs($1.0 - $1.1)) } / Double(nll.count)
  }

  var mean: Double { nll.reduce(0) { $0 + Double($1) } / Double(nll.count) }
}
