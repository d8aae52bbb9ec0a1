import ControlAPI
import Foundation
import Testing
import TierCore
import TierTesting
import TierWire

/// Plans that lie, are absurd, or name what is others': served right or refused in one sentence, and at nobody else's cost.
@Suite(.serialized) struct PlanTests {
  let home: Workspace
  let daemon: Daemon

  private static let layout = BlockLayout(element: .bf16, kvHeads: 2, headDim: 32, blockTokens: 64)!
  private static let sequence = SequenceID(1)

  init() throws {
    home = try Workspace()
    daemon = try Daemon("daemon", .init(device: "1MiB", host: "1MiB", disk: "64MiB"), in: home)
  }

  private func plan(
    layers: Int = 3, blocks: Int = 48, staging: Int = 4, ring: Int = 2, layout: BlockLayout = layout,
    ordered: Bool = false
  ) -> SequencePlan {
    SequencePlan(
      sequence: Self.sequence, layout: layout, layers: layers, chunkBlocks: 2, totalBlocks: blocks,
      stagingSlots: staging, ringSlots: ring, ordered: ordered)
  }

  private func connect() throws -> WorkerClient {
    try WorkerClient.connect(path: daemon.workerSocket, name: "plan-test", timeoutMs: 5000)
  }

  private func next(_ session: WorkerClient) throws -> Reply {
    try #require(try session.receive(timeoutMs: 10_000), "no reply in time")
  }

  /// A sequence that reads on as it should, whatever others do: 2.3 MiB of KV over 2 MiB of memory.
  private func expectOthersAreServed(family: UInt64) throws {
    let outcome = try ConformanceReader(connect(), plan: plan(), family: family).read()
    #expect(outcome.lost == 0 && outcome.used == 3 * (0..<24).reduce(0) { $0 + 2 * $1 })
  }

  @Test(
    "Blocks touched in any order, for any chunk, or never: right bytes, and nothing is left held",
    arguments: [false, true])
  func lies(ordered: Bool) throws {
    for seed in 1...3 as ClosedRange<UInt64> {
      let outcome = try ConformanceReader(connect(), plan: plan(ordered: ordered), family: 10 + seed)
        .readAgainstPlan(seed: seed)
      // What was never sealed is lost, and only that: a third of the draws, about.
      #expect(outcome.used > 0 && outcome.lost > 0 && outcome.lost < outcome.used)
    }
    try expectOthersAreServed(family: 20)
    #expect(try eventually(seconds: 5) { try daemon.status().sessions == 0 })
    #expect(try daemon.status().leases == 0)
  }

  @Test("Plans longer than any that can be are named as such; as long as can be, refused with the figures")
  func absurdLength() throws {
    let absurd: [(SequencePlan, String)] = [
      (
        plan(layers: 1024, blocks: SequencePlan.maxBlocks),
        "4194304 blocks in each of 1024 layers; 4194304 are possible in all"
      ),
      (plan(layers: 0), "0 layers; 1 to 1024 are possible"),
      (plan(ring: 1 << 20), "1048576 ring slots; 1 to 1024 are possible"),
    ]
    for (plan, why) in absurd {
      let session = try connect()
      try session.send(.open(plan))
      #expect(try next(session) == .violation(.badPlan(why)))
    }
    let session = try connect()
    try session.send(.open(plan(layers: 1, blocks: SequencePlan.maxBlocks)))
    guard case .refused(_, .sequenceExceedsBudgets(let needed, _)) = try next(session) else {
      Issue.record("a sequence of 64 GiB was not refused")
      return
    }
    #expect(needed == SequencePlan.maxBlocks * Self.layout.slotBytes)
    // And more than was declared.
    try session.send(.open(plan(blocks: 4)))
    guard case .admitted = try next(session) else {
      Issue.record("not admitted")
      return
    }
    try session.send(.extend(Self.sequence, blocks: (0..<5).map { BlockID(a: 1, b: $0, c: 0, d: 0) }))
    #expect(try next(session) == .violation(.tooManyBlocks(named: 5, limit: 4)))
    try expectOthersAreServed(family: 21)
  }

  @Test("Another session's sequence is not there for this one; another's block is had by its id alone")
  func othersBlocks() throws {
    let owner = try connect()
    let reader = ConformanceReader(owner, plan: plan(blocks: 8), family: 30)
    #expect(try reader.read().lost == 0)
    try owner.send(.open(plan(blocks: 8)))
    let thief = try connect()
    // The same number is the owner's; here it is not open.
    try thief.send(.acquire(Self.sequence, chunk: 0, layer: 0, blocks: 0..<4))
    #expect(try next(thief) == .violation(.unknownSequence(Self.sequence)))
    // Blocks beyond those it named, in a sequence of its own.
    let second = try connect()
    try second.send(.open(plan(blocks: 8)))
    guard case .admitted = try next(second) else {
      Issue.record("not admitted")
      return
    }
    try second.send(.acquire(Self.sequence, chunk: 0, layer: 0, blocks: 0..<4))
    #expect(try next(second) == .violation(.rangeOutside(layer: 0, blocks: 0..<4)))
    try expectOthersAreServed(family: 31)
  }

  @Test("Two models that say they are one: the second is told, the first keeps its blocks")
  func oneFingerprintForTwoModels() throws {
    #expect(try ConformanceReader(connect(), plan: plan(blocks: 8), family: 40).read().lost == 0)
    let f32 = try #require(BlockLayout(element: .f32, kvHeads: 2, headDim: 32, blockTokens: 64))
    let other = try connect()
    try other.send(.open(plan(blocks: 8, layout: f32)))
    guard case .admitted = try next(other) else {
      Issue.record("not admitted")
      return
    }
    try other.send(.extend(Self.sequence, blocks: [ConformanceReader.id(0, family: 40, plan: plan(blocks: 8))]))
    #expect(try next(other) == .violation(.badPlan("a block id is known with another layout")))
    let again = try ConformanceReader(connect(), plan: plan(blocks: 8), family: 40).read()
    #expect(again.cachedBlocks >= 6 && again.lost == 0)
  }
}
