import Testing

@testable import TierCore

/// How much of its budget the host tier may use, on a machine and with a clock that are made up.
@Suite struct PressurePolicyTests {
  private static let budget = 1 << 30

  /// A host tier that is full of what it may have, and other memory in the same control group and on the machine.
  private struct Machine {
    var policy = PressurePolicy()
    var nowMs: UInt64 = 1_000_000
    var committed = budget
    var groupLimit: Int?
    /// What the process has beside the host tier.
    var beside = 40 << 20
    var totalBytes = 16 << 30
    var othersBytes = 4 << 30
    var ownStallUs: UInt64 = 0
    var systemStallUs: UInt64 = 0
    var isTold = false
    /// Bytes of a second that the tier can give back: the rest has to be written first.
    var givesBack = Int.max

    var used: Int { committed + beside }
    var effective: Int { min(policy.allowanceBytes ?? budget, budget) }

    var reading: MemoryReading {
      MemoryReading(
        groups: groupLimit.map { [.init(name: "t.service", usedBytes: used, limitBytes: $0, isHard: false)] } ?? [],
        availableBytes: totalBytes - othersBytes - used, totalBytes: totalBytes, ownStallUs: ownStallUs,
        systemStallUs: systemStallUs, isTold: isTold)
    }

    /// A tenth of a second, with so many hundredths of it spent waiting for memory.
    mutating func step(ownStall: Int = 0, systemStall: Int = 0) {
      nowMs += 100
      ownStallUs += UInt64(ownStall * 1000)
      systemStallUs += UInt64(systemStall * 1000)
      _ = policy.take(reading, budgetBytes: budget, committedBytes: committed, nowMs: nowMs)
      isTold = false
      committed = max(min(committed, effective), committed - givesBack / 10, 0)
      if committed < effective { committed = effective }
    }

    mutating func run(seconds: Int, ownStall: Int = 0, systemStall: Int = 0) {
      for _ in 0..<seconds * 10 { step(ownStall: ownStall, systemStall: systemStall) }
    }
  }

  @Test func nothingHappensWithoutPressure() {
    var machine = Machine()
    machine.groupLimit = 2 << 30
    machine.run(seconds: 60)
    #expect(machine.policy.allowanceBytes == nil && machine.policy.cause == nil)
  }

  @Test func aLimitAtHalfTheTierIsKeptWithinASecondAndNotUndercut() {
    var machine = Machine()
    machine.groupLimit = Self.budget / 2
    machine.run(seconds: 1)
    let limit = Self.budget / 2
    #expect(machine.used < limit)
    // It does not fall further than that needs, however long it lasts, and does not swing.
    let margin = PressurePolicy.margin(ofLimit: limit)
    machine.run(seconds: 120)
    #expect(machine.used >= limit - 3 * margin && machine.used <= limit - margin)
    #expect(machine.policy.cause == .groupLimit(name: "t.service", limitBytes: limit, isHard: false))
  }

  @Test func whatIsSlowToGiveBackIsNotAskedForTwice() {
    var machine = Machine()
    machine.groupLimit = Self.budget / 2
    machine.givesBack = 100 << 20
    machine.run(seconds: 20, ownStall: 60)
    let limit = Self.budget / 2
    let margin = PressurePolicy.margin(ofLimit: limit)
    // The stalls that go on while it gives back, and a moment longer, do not make it give more than one step more.
    #expect(machine.used < limit)
    var calm = Machine()
    calm.groupLimit = limit
    calm.givesBack = 100 << 20
    for _ in 0..<200 { calm.step(ownStall: calm.committed > calm.effective ? 60 : 0) }
    #expect(calm.used >= limit - 3 * margin)
  }

  @Test func aStepIsBounded() {
    var machine = Machine()
    machine.groupLimit = 64 << 20
    machine.step()
    #expect(machine.effective == Self.budget - Self.budget / 4)
    machine.run(seconds: 10)
    #expect(machine.effective == Self.budget / 16, "something is left, whatever the limit")
  }

  @Test func itIsBackToFullSizeWithinAMinuteAndNotAtOnce() {
    var machine = Machine()
    machine.groupLimit = Self.budget / 2
    machine.run(seconds: 10)
    let low = machine.effective
    machine.groupLimit = 2 << 30
    machine.run(seconds: 4)
    #expect(machine.effective == low, "calm has to last before it grows")
    machine.run(seconds: 2)
    #expect(machine.effective > low && machine.effective < Self.budget, "it grows in steps")
    machine.run(seconds: 15)
    #expect(machine.policy.allowanceBytes == nil && machine.policy.cause == nil)
  }

  @Test func aMachineShortOfMemoryGetsItBackFromTheTier() {
    var machine = Machine()
    machine.totalBytes = 4 << 30
    machine.othersBytes = 2 << 30
    machine.run(seconds: 5)
    #expect(machine.policy.allowanceBytes == nil)
    machine.othersBytes = 3500 << 20
    machine.run(seconds: 2)
    #expect(machine.reading.availableBytes! >= PressurePolicy.reserve(ofMachine: 4 << 30))
    machine.othersBytes = 2 << 30
    machine.run(seconds: 30)
    #expect(machine.policy.allowanceBytes == nil)
  }

  /// A limit that comes back each time the tier has grown: it waits longer each time, up to a bound.
  @Test func growthThatIsRegrettedComesLaterNextTime() {
    var machine = Machine()
    var waits: [UInt64] = []
    machine.groupLimit = Self.budget / 2
    machine.run(seconds: 2)
    for _ in 0..<5 {
      let low = machine.effective
      machine.groupLimit = 2 << 30
      let since = machine.nowMs
      while machine.effective <= low, machine.nowMs < since + 60_000 { machine.step() }
      waits.append(machine.nowMs - since)
      machine.groupLimit = Self.budget / 2
      machine.run(seconds: 2)
    }
    #expect(waits.last! <= 25_000 && waits[1] > waits[0] && waits[2] > waits[1], "\(waits)")
  }

  @Test func tasksThatWaitAreGivenMemoryStepByStep() {
    var machine = Machine()
    machine.run(seconds: 1, ownStall: 50)
    #expect(machine.effective == Self.budget - Self.budget / 16)
    #expect(machine.policy.cause == .stalls(percent: 50, isOwn: true))
    machine.run(seconds: 3, ownStall: 50)
    #expect(machine.effective < Self.budget - 2 * Self.budget / 16)
    machine.run(seconds: 60)
    #expect(machine.policy.allowanceBytes == nil)
  }

  /// Who waits at a limit of their own is not helped by our memory.
  @Test func waitingElsewhereCountsOnlyWhereTheMachineIsShort() {
    var machine = Machine()
    machine.run(seconds: 5, systemStall: 80)
    #expect(machine.policy.allowanceBytes == nil)
    machine.othersBytes = machine.totalBytes - machine.used - machine.totalBytes / 10
    machine.run(seconds: 2, systemStall: 80)
    #expect(machine.policy.cause == .stalls(percent: 80, isOwn: false))
  }

  @Test func theServiceManagersWordIsEnough() {
    var machine = Machine()
    machine.isTold = true
    machine.step()
    #expect(machine.effective == Self.budget - Self.budget / 16 && machine.policy.cause == .told)
  }

  @Test func withoutAnySourceItKeepsItsBudget() {
    var policy = PressurePolicy()
    for second in UInt64(0)..<100 {
      let hasChanged = policy.take(
        MemoryReading(), budgetBytes: 1 << 30, committedBytes: 1 << 30, nowMs: second * 1000)
      #expect(!hasChanged)
    }
  }

  /// The operator's budget stays the upper bound, whenever it changes.
  @Test func theOperatorsBudgetIsTheUpperBound() {
    var machine = Machine()
    machine.groupLimit = Self.budget / 2
    machine.run(seconds: 5)
    let reading = machine.reading
    var policy = machine.policy
    _ = policy.take(reading, budgetBytes: 64 << 20, committedBytes: 64 << 20, nowMs: machine.nowMs + 100)
    for second in UInt64(1)...30 {
      let calm = MemoryReading(groups: [.init(name: "t", usedBytes: 104 << 20, limitBytes: 512 << 20, isHard: false)])
      _ = policy.take(calm, budgetBytes: 64 << 20, committedBytes: 64 << 20, nowMs: machine.nowMs + second * 1000)
      #expect((policy.allowanceBytes ?? 0) <= 64 << 20 || second < 8)
    }
    #expect(policy.allowanceBytes == nil)
  }
}
