import Foundation
import ModelFiles
import Testing
import TierCore

@testable import Inference

/// Weights as droppable blocks of a store give the same bits as weights of one's own.
@Suite struct ManagedWeightsTests {
  let tokens: [UInt32]

  init() throws {
    tokens = try Reference.load("tiny_llama_f32").tokens
  }

  private func score(
    _ bench: Bench, _ checkpoint: Checkpoint, layers: AllResidentSession, head: AllResidentSession,
    kv session: AllResidentSession = AllResidentSession()
  ) throws -> Score {
    let weights = try DecoderWeights(
      config: checkpoint.config, source: checkpoint.weights, compute: bench.compute, fingerprint: bench.fingerprint,
      sessions: (layers, head))
    let kv = try bench.kv(session, blockTokens: 16, maxTokens: tokens.count) {
      $0.chunkTokens = 32
      $0.ordered = true
      $0.stallDeadlineMs = 2000
    }
    let model = Transformer(
      weights: weights, compute: bench.compute, layout: bench.layout(blockTokens: 16), maxTokens: 32)
    return try Scorer(chunkTokens: 32).run(tokens, model: model, kv: kv)
  }

  @Test("The same bits, however many shards are lost", arguments: ComputeType.allCases, [0, 30, 100])
  func sameBits(type: ComputeType, lossPercent: Int) throws {
    let bench = try ResidencyTests.bench(type)
    let resident = try bench.score(tokens, chunkTokens: 32, blockTokens: 16, ordered: true).score
    let checkpoint = try Checkpoint(path: TinyModel.path)
    let layers = AllResidentSession(.init(seed: 3, movingPercent: 30, lossPercent: lossPercent, sealsLate: true))
    let head = AllResidentSession(.init(seed: 4, movingPercent: 30, lossPercent: lossPercent))
    let managed = try bench.lock.withLock { try score(bench, checkpoint, layers: layers, head: head) }
    #expect(managed.nll == resident.nll)
    #expect(managed.top5 == resident.top5)
    #expect(layers.brokenRules == [] && head.brokenRules == [])
    #expect(layers.leaseCount == 0 && head.leaseCount == 0)
  }

  @Test("Layers with experts among others", arguments: [0, 40])
  func experts(lossPercent: Int) throws {
    let path = FamilyTests.path("llama4")
    let bench = try Bench(path: path, type: .f32)
    let resident = try bench.score(tokens, chunkTokens: 32, blockTokens: 16, ordered: true).score
    let layers = AllResidentSession(.init(seed: 3, lossPercent: lossPercent))
    let managed = try score(bench, Checkpoint(path: path), layers: layers, head: AllResidentSession())
    #expect(managed.nll == resident.nll)
    #expect(layers.brokenRules == [])
  }

  @Test("Lost KV is computed again while weights come and go")
  func withLostKV() throws {
    let bench = try ResidencyTests.bench(.bf16)
    let resident = try bench.score(tokens, chunkTokens: 32, blockTokens: 16, ordered: true).score
    let checkpoint = try Checkpoint(path: TinyModel.path)
    let layers = AllResidentSession(.init(seed: 3, lossPercent: 30))
    let kv = AllResidentSession(.init(seed: 7, movingPercent: 20, lossPercent: 5))
    let managed = try bench.lock.withLock {
      try score(bench, checkpoint, layers: layers, head: AllResidentSession(), kv: kv)
    }
    #expect(managed.nll == resident.nll)
    #expect(layers.brokenRules == [] && kv.brokenRules == [])
  }

  @Test("A shard that was overwritten while it was used voids the run")
  func stale() throws {
    let bench = try ResidencyTests.bench(.f32)
    let checkpoint = try Checkpoint(path: TinyModel.path)
    let layers = AllResidentSession(.init(stalePercent: 100, staleAtOnce: true))
    #expect {
      try bench.lock.withLock { try score(bench, checkpoint, layers: layers, head: AllResidentSession()) }
    } throws: {
      guard case KVError.neverCurrent = $0 else { return false }
      return true
    }
  }
}
