import ModelFiles
import Testing
import TierCore

@testable import Inference

/// The same text through stores that answer in all kinds of ways.
@Suite struct ResidencyTests {
  let tokens: [UInt32]

  init() throws {
    tokens = try Reference.load("tiny_llama_f32").tokens
  }

  static func bench(_ type: ComputeType) throws -> Bench {
    switch type {
    case .f32: try TinyModel.f32.get()
    case .bf16: try TinyModel.bf16.get()
    }
  }

  @Test("In order, residency does not change a bit", arguments: ComputeType.allCases, 1...12 as ClosedRange<UInt64>)
  func ordered(type: ComputeType, seed: UInt64) throws {
    let bench = try Self.bench(type)
    let resident = try bench.score(tokens, chunkTokens: 32, blockTokens: 16, ordered: true).score
    let session = AllResidentSession(
      .init(seed: seed, movingPercent: 60, stalePercent: seed % 3 == 0 ? 10 : 0, hesitates: seed % 2 == 0 ? 3 : 0))
    let shuffled = try bench.score(tokens, chunkTokens: 32, blockTokens: 16, ordered: true, session: session)
    #expect(shuffled.score.nll == resident.nll)
    #expect(shuffled.score.top5 == resident.top5)
    #expect(session.brokenRules == [])
    #expect(session.leaseCount == 0)
    #expect(shuffled.statistics.misses > 0)
  }

  @Test("In order, neither does the chunk", arguments: ComputeType.allCases)
  func orderedChunks(type: ComputeType) throws {
    let bench = try Self.bench(type)
    let scores = try [16, 48, 64, 208].map {
      try bench.score(tokens, chunkTokens: $0, blockTokens: 16, ordered: true).score.nll
    }
    #expect(scores.allSatisfy { $0 == scores[0] })
  }

  @Test("Out of order, only rounding changes", arguments: 1...6 as ClosedRange<UInt64>)
  func unordered(seed: UInt64) throws {
    let reference = try Reference.load("tiny_llama_f32")
    let session = AllResidentSession(.init(seed: seed, movingPercent: 50, stalePercent: seed % 2 == 0 ? 10 : 0))
    let (score, statistics) = try TinyModel.f32.get()
      .score(tokens, chunkTokens: 32, blockTokens: 16, session: session)
    #expect(reference.meanDifference(score.nll) <= 1e-4)
    #expect(session.brokenRules == [])
    #expect(statistics.hits > 0 && statistics.misses > 0)
    #expect(statistics.blocksStale == 0 || session.staleReads > 0)
  }

  @Test("Blocks that are overwritten while they are read are read again")
  func stale() throws {
    let session = AllResidentSession(.init(seed: 5, stalePercent: 25))
    let reference = try Reference.load("tiny_llama_f32")
    let (score, statistics) = try TinyModel.f32.get()
      .score(tokens, chunkTokens: 32, blockTokens: 16, session: session)
    #expect(statistics.blocksStale > 0)
    #expect(reference.meanDifference(score.nll) <= 1e-4)
  }

  @Test("A block that is overwritten every time ends in an error")
  func neverCurrent() throws {
    let session = AllResidentSession(.init(stalePercent: 100, staleAtOnce: true))
    #expect { try TinyModel.f32.get().score(tokens, chunkTokens: 16, blockTokens: 16, session: session) } throws: {
      guard case KVError.neverCurrent(layer: 0, _, _) = $0 else { return false }
      return true
    }
  }

  @Test("Every block is sealed once, and each chunk uses those before it")
  func counts() throws {
    let statistics = try TinyModel.f32.get().score(tokens, chunkTokens: 32, blockTokens: 16).statistics
    // 200 tokens: 12 full blocks in 3 layers; chunk c of 7 attends 2c past blocks.
    #expect(statistics.blocksSealed == 36)
    #expect(statistics.blocksUsed == 3 * (0...6).reduce(0) { $0 + 2 * $1 })
    #expect(statistics.chunks == 7)
  }

  @Test("Blocks sealed before are not written again, and give the same result")
  func duplicates() throws {
    let session = AllResidentSession()
    let bench = try TinyModel.f32.get()
    let first = try bench.score(tokens, chunkTokens: 32, blockTokens: 16, session: session)
    let second = try bench.score(tokens, chunkTokens: 32, blockTokens: 16, session: session)
    #expect(second.statistics.blocksSealed == 0)
    #expect(second.statistics.blocksDuplicate == 36)
    #expect(second.score.nll == first.score.nll)
    #expect(session.brokenRules == [])
  }

  @Test("With staging for one layer only, nothing is leased while slots are awaited", arguments: [0, 50])
  func scarceStaging(movingPercent: Int) throws {
    let bench = try TinyModel.f32.get()
    let resident = try bench.score(tokens, chunkTokens: 32, blockTokens: 16, ordered: true).score
    let session = AllResidentSession(.init(movingPercent: movingPercent, hesitates: 2, sealsLate: true))
    let (score, statistics) = try bench.score(
      tokens, chunkTokens: 32, blockTokens: 16, ordered: true, session: session
    ) { $0.stagingSlots = 2 }
    #expect(session.brokenRules == [])
    #expect(score.nll == resident.nll)
    #expect(statistics.stalls > 0)
  }

  @Test("A store that loses whatever it is given is given up, by name", arguments: [32, 64])
  func lost(chunkTokens: Int) throws {
    let session = AllResidentSession(.init(losesAfter: 3))
    #expect {
      try TinyModel.f32.get().score(tokens, chunkTokens: chunkTokens, blockTokens: 16, session: session)
    } throws: {
      guard case KVError.lost = $0 else { return false }
      return true
    }
    #expect(session.brokenRules == [])
  }

  @Test(
    "In order, what was lost is computed again to the bit", arguments: ComputeType.allCases,
    1...12 as ClosedRange<UInt64>)
  func recomputed(type: ComputeType, seed: UInt64) throws {
    let bench = try Self.bench(type)
    let resident = try bench.score(tokens, chunkTokens: 32, blockTokens: 16, ordered: true).score
    let session = AllResidentSession(
      .init(
        seed: seed, movingPercent: seed % 2 == 0 ? 40 : 0, stalePercent: seed % 3 == 0 ? 5 : 0, lossPercent: 5,
        hesitates: seed % 4 == 0 ? 3 : 0, sealsLate: seed % 5 == 0))
    let (score, statistics) = try bench.score(
      tokens, chunkTokens: 32, blockTokens: 16, ordered: true, session: session
    ) { if seed % 2 == 1 { $0.stagingSlots = 2 } }
    #expect(score.nll == resident.nll)
    #expect(score.top5 == resident.top5)
    #expect(statistics.blocksRecomputed > 0)
    #expect(session.brokenRules == [])
    #expect(session.leaseCount == 0)
  }

  @Test("A refusal is the store's, with its figures")
  func refused() throws {
    let refusal = Refusal.stepExceedsBudget(tier: .device, neededBytes: 4096, budgetBytes: 1024)
    let session = AllResidentSession(.init(refusal: refusal))
    #expect(throws: KVError.refused(refusal)) {
      try TinyModel.f32.get().score(tokens, chunkTokens: 32, blockTokens: 16, session: session)
    }
  }

  @Test("A sequence that has to queue says so, and runs when it is its turn")
  func queued() throws {
    let session = AllResidentSession(.init(queuedAhead: 2))
    var ahead: [Int] = []
    let bench = try TinyModel.f32.get()
    let kv = try TieredKV(
      session: session, sequence: SequenceID(1), fingerprint: bench.fingerprint, layout: bench.layout(blockTokens: 16),
      layers: bench.config.layers, options: KVOptions(chunkTokens: 16, maxTokens: 16), onQueued: { ahead.append($0) })
    #expect(ahead == [2, 1])
    try kv.close()
  }

  @Test("A store that falls silent ends the wait, at any point", arguments: [0, 1, 2, 5, 17, 40])
  func silent(replies: Int) throws {
    let session = AllResidentSession(.init(movingPercent: 50, mutesAfter: replies))
    #expect {
      try TinyModel.f32.get().score(tokens, chunkTokens: 32, blockTokens: 16, session: session) {
        $0.stallDeadlineMs = 30
        $0.admissionDeadlineMs = 30
      }
    } throws: {
      guard case KVError.stalled = $0 else { return false }
      return true
    }
  }

  @Test("More tokens than announced are refused")
  func full() throws {
    let kv = try TinyModel.f32.get().kv(AllResidentSession(), blockTokens: 16, maxTokens: 20)
    try kv.announce([1, 2, 3])
    #expect(throws: KVError.full(tokens: 21, limit: 20)) { try kv.announce(Array(repeating: 1, count: 18)) }
  }
}
