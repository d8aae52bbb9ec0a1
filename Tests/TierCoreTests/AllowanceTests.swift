import Testing

@testable import TierCore

/// While the machine is short of memory a tier may use less than the operator gave it.
@Suite struct AllowanceTests {
  private static let layout = BlockLayout(element: .bf16, kvHeads: 1, headDim: 64, blockTokens: 16)!
  private static let slot = BlockLayout.pageBytes
  private let session = SessionID(1)

  private func core(host: Int, disk: Int = 0) -> ResidencyCore {
    var core = ResidencyCore(
      CoreConfiguration(deviceBytes: 0, hostBytes: host * Self.slot, diskBytes: disk * Self.slot))
    _ = core.handle(.connected(session, TenantID(1)))
    return core
  }

  private func plan(_ id: UInt32, blocks: Int = 4, staging: Int = 2, ring: Int = 2) -> SequencePlan {
    SequencePlan(
      sequence: SequenceID(id), layout: Self.layout, layers: 1, chunkBlocks: 1, totalBlocks: blocks,
      stagingSlots: staging, ringSlots: ring, ordered: true)
  }

  private func replies(_ commands: [Command]) -> [Reply] {
    commands.compactMap { if case .reply(_, let reply) = $0 { reply } else { nil } }
  }

  private func open(_ core: inout ResidencyCore, _ plan: SequencePlan) -> [Reply] {
    replies(core.handle(.request(session, .open(plan))))
  }

  @Test func theBudgetInForceIsNeverMoreThanTheOperatorGave() {
    var core = core(host: 64)
    _ = core.handle(.setAllowance(.host, bytes: 32 * Self.slot))
    #expect(core.hostPool().budgetBytes == 64 * Self.slot && core.hostPool().effectiveBytes == 32 * Self.slot)
    _ = core.handle(.setBudget(.host, bytes: 16 * Self.slot))
    #expect(core.hostPool().budgetBytes == 16 * Self.slot && core.hostPool().effectiveBytes == 16 * Self.slot)
    _ = core.handle(.setBudget(.host, bytes: 128 * Self.slot))
    #expect(core.hostPool().effectiveBytes == 32 * Self.slot)
    _ = core.handle(.setAllowance(.host, bytes: nil))
    #expect(core.hostPool().effectiveBytes == 128 * Self.slot)
  }

  /// What was promised to an open sequence is not taken back; when it ends, it is.
  @Test func openSequencesKeepWhatTheyNeedAtLeast() {
    var core = core(host: 64)
    #expect(open(&core, plan(1)).contains { if case .admitted = $0 { true } else { false } })
    _ = core.handle(.setAllowance(.host, bytes: 0))
    // Two staging slots, a ring of two, and two in transit.
    #expect(core.hostPool().effectiveBytes == 6 * Self.slot)
    _ = core.handle(.request(session, .close(SequenceID(1))))
    #expect(core.hostPool().effectiveBytes == 0)
    #expect(core.brokenInvariant() == nil)
  }

  /// Pressure is time, not refusal: one sequence at a time goes on, the others wait.
  @Test func sequencesAreServedOneByOneHoweverShortMemoryIs() {
    var core = core(host: 64)
    _ = core.handle(.setAllowance(.host, bytes: 1))
    #expect(open(&core, plan(1)).contains { if case .admitted = $0 { true } else { false } })
    let second = open(&core, plan(2))
    #expect(second == [.queued(SequenceID(2), ahead: 0)])
    let next = replies(core.handle(.request(session, .close(SequenceID(1)))))
    #expect(next.contains { if case .admitted(SequenceID(2), _, _) = $0 { true } else { false } })
  }

  @Test func whatExceedsTheOperatorsBudgetIsRefusedAsEver() {
    var core = core(host: 5)
    _ = core.handle(.setAllowance(.host, bytes: 1))
    let refusal = Refusal.stepExceedsBudget(
      tier: .host, neededBytes: 6 * Self.slot, budgetBytes: 5 * Self.slot)
    #expect(open(&core, plan(1)) == [.refused(SequenceID(1), refusal)])
  }

  /// Pages go back to the system at once where they are free.
  @Test func freePagesAreGivenBack() {
    var core = core(host: 64)
    _ = open(&core, plan(1, staging: 32))
    _ = core.handle(.request(session, .close(SequenceID(1))))
    _ = core.handle(.setAllowance(.host, bytes: 8 * Self.slot))
    #expect(core.hostPool().committedBytes <= 8 * Self.slot)
  }
}
