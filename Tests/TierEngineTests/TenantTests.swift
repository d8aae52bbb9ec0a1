import Testing
import TierCore
import TierTesting

@testable import TierEngine

/// Equal ids of two tenants are two blocks.
@Suite(.serialized) struct TenantTests {
  private static let plan = SequencePlan(
    sequence: SequenceID(1), layout: BlockLayout(element: .bf16, kvHeads: 2, headDim: 32, blockTokens: 64)!, layers: 3,
    chunkBlocks: 2, totalBlocks: 12, stagingSlots: 4, ringSlots: 2, ordered: false)

  @Test func anotherTenantsBlocksAreNotFound() throws {
    let store = try TestStore(deviceBytes: 8 << 20, hostBytes: 8 << 20, diskBytes: 0)
    defer { store.stop() }
    func read(uid: UInt32) throws -> ConformanceReader.Outcome {
      try ConformanceReader(EmbeddedSession(store.engine, name: "test", uid: uid), plan: Self.plan, family: 1).read()
    }
    #expect(try read(uid: 1001).cachedBlocks == 0)
    let other = try read(uid: 1002)
    #expect(other.cachedBlocks == 0 && other.duplicates == 0 && other.lost == 0)
    // The last ones sealed may have been on their way when their sequence was closed.
    #expect(try read(uid: 1001).cachedBlocks >= 10)
  }
}
