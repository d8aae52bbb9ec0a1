import ControlAPI
import Synchronization
import Testing
import TierCore
import TierTesting

@testable import TierEngine

/// Equal ids of two tenants are two blocks, and what one tenant is promised no other can take.
@Suite(.serialized) struct TenantTests {
  private static let plan = SequencePlan(
    sequence: SequenceID(1), layout: BlockLayout(element: .bf16, kvHeads: 2, headDim: 32, blockTokens: 64)!, layers: 3,
    chunkBlocks: 2, totalBlocks: 12, stagingSlots: 4, ringSlots: 2, ordered: false)
  /// Of the plan's blocks.
  private static let promptBytes = 36 * plan.layout.slotBytes

  private func read(_ store: TestStore, uid: UInt32, family: UInt64 = 1) throws -> ConformanceReader.Outcome {
    try ConformanceReader(EmbeddedSession(store.engine, name: "test", uid: uid), plan: Self.plan, family: family).read()
  }

  @Test func anotherTenantsBlocksAreNotFound() throws {
    let store = try TestStore(deviceBytes: 8 << 20, hostBytes: 8 << 20, diskBytes: 0)
    defer { store.stop() }
    #expect(try read(store, uid: 1001).cachedBlocks == 0)
    let other = try read(store, uid: 1002)
    #expect(other.cachedBlocks == 0 && other.duplicates == 0 && other.lost == 0)
    // The last ones sealed may have been on their way when their sequence was closed.
    #expect(try read(store, uid: 1001).cachedBlocks >= 10)
  }

  private func table(_ name: String, _ uids: [UInt32], _ set: (inout TenantTable.Limits) -> Void) -> TenantTable {
    var limits = TenantTable.Limits()
    set(&limits)
    return TenantTable(tenants: [.init(name: name, uids: uids, limits: limits)])
  }

  @Test func usersOfOneNameShareTheirBlocks() throws {
    let store = try TestStore(
      deviceBytes: 0, hostBytes: 8 << 20, diskBytes: 0, tenants: table("team", [1001, 1002]) { _ in })
    defer { store.stop() }
    _ = try read(store, uid: 1001)
    #expect(try read(store, uid: 1002).cachedBlocks >= 10)
    #expect(try read(store, uid: 1003).cachedBlocks == 0)
  }

  /// A prompt's blocks are read again after another tenant has read far more than memory holds.
  @Test(arguments: [true, false])
  func aNoisyTenantTakesNothingOfAGuarantee(isGuaranteed: Bool) throws {
    let table = table("quiet", [1001]) { if isGuaranteed { $0.hostGuaranteeBytes = Self.promptBytes + (256 << 10) } }
    let store = try TestStore(deviceBytes: 0, hostBytes: 3 << 20, diskBytes: 64 << 20, tenants: table)
    defer { store.stop() }
    _ = try read(store, uid: 1001)
    for family in UInt64(2)...12 { #expect(try read(store, uid: 1002, family: family).lost == 0) }
    let before = store.engine.statistics()
    let again = try read(store, uid: 1001)
    #expect(again.lost == 0 && again.cachedBlocks >= 10)
    let waited = store.engine.statistics().misses - before.misses
    #expect(isGuaranteed ? waited == 0 : waited > 0, "\(waited) blocks were not in memory any more")
  }

  @Test func aQuotaIsTheTenantsOwnToFill() throws {
    let quota = 2 * Self.promptBytes
    let table = table("noisy", [1002]) {
      $0.hostQuotaBytes = quota
      $0.diskQuotaBytes = 4 * Self.promptBytes
    }
    let store = try TestStore(deviceBytes: 0, hostBytes: 4 << 20, diskBytes: 64 << 20, tenants: table)
    defer { store.stop() }
    _ = try read(store, uid: 1001)
    for family in UInt64(2)...12 { #expect(try read(store, uid: 1002, family: family).lost == 0) }
    let tenants = store.engine.state.withLock { $0.core.tenantSnapshots() }
    let noisy = try #require(tenants.first { $0.tenant == TenantID(name: "noisy") })
    #expect(noisy.usedBytes(.host) <= quota && noisy.usedBytes(.host) > quota / 2)
    #expect(noisy.usedBytes(.disk) <= 4 * Self.promptBytes)
    // There was room for the other's all the while.
    let before = store.engine.statistics()
    #expect(try read(store, uid: 1001).lost == 0)
    #expect(store.engine.statistics().misses == before.misses)
  }

  @Test func whatCannotEverFitIsRefusedWithTheTenantsFigures() throws {
    let table = table("small", [1002]) { $0.hostQuotaBytes = 64 << 10 }
    let store = try TestStore(deviceBytes: 0, hostBytes: 4 << 20, diskBytes: 64 << 20, tenants: table)
    defer { store.stop() }
    let fault = #expect(throws: ConformanceReader.Fault.self) { try read(store, uid: 1002) }
    #expect(fault?.description.contains("budget of 64 KiB is too small") == true, "\(String(describing: fault))")
    #expect(try read(store, uid: 1001).lost == 0)
  }

  @Test func connectionsAreTheTenantsTogether() throws {
    let store = try TestStore(
      deviceBytes: 0, hostBytes: 4 << 20, diskBytes: 0, tenants: table("team", [1001, 1002]) { $0.connections = 2 })
    defer { store.stop() }
    let first = try EmbeddedSession(store.engine, name: "a", uid: 1001)
    let second = try EmbeddedSession(store.engine, name: "b", uid: 1002)
    let refusal = #expect(throws: TenantRefusal.self) { try EmbeddedSession(store.engine, name: "c", uid: 1001) }
    #expect(refusal?.description == "tenant team has 2 workers connected already: end one first")
    #expect(throws: Never.self) { try EmbeddedSession(store.engine, name: "d", uid: 1003).end() }
    second.end()
    #expect(throws: Never.self) { try EmbeddedSession(store.engine, name: "e", uid: 1001).end() }
    first.end()
  }

  /// Ids of names and of users must not meet.
  @Test func aUserAmongTheNumbersOfNamesIsRefusedUnlessNamed() throws {
    let store = try TestStore(
      deviceBytes: 0, hostBytes: 4 << 20, diskBytes: 0, tenants: table("team", [4_000_000_000]) { _ in })
    defer { store.stop() }
    #expect(throws: TenantRefusal.self) { try EmbeddedSession(store.engine, name: "a", uid: 3_000_000_000) }
    #expect(throws: Never.self) { try EmbeddedSession(store.engine, name: "b", uid: 4_000_000_000).end() }
  }
}
