import CLinux
import Glibc
import Synchronization
import Testing
import TierCore
import TierMemory
import TierTesting

@testable import TierEngine

/// Memory outlives the store that made it; the next one serves what is whole in it, and nothing else.
@Suite(.serialized) struct HotRestartTests {
  private static let plan = SequencePlan(
    sequence: SequenceID(1), layout: BlockLayout(element: .bf16, kvHeads: 2, headDim: 32, blockTokens: 64)!, layers: 3,
    chunkBlocks: 2, totalBlocks: 12, stagingSlots: 4, ringSlots: 2, ordered: false)
  private static let blocks = 3 * 12

  private func open(
    _ keeper: Keeper, deviceBytes: Int = 0, hostBytes: Int = 8 << 20, nodes: [MemoryNode] = []
  ) throws -> Engine {
    var options = EngineOptions(deviceBytes: deviceBytes, hostBytes: hostBytes, diskBytes: 0) { keeper.note($0) }
    options.hostNodes = nodes
    options.hostMemory.topology = nodes.isEmpty ? .unknown : .read()
    options.hostMemory.locks = !nodes.isEmpty
    options.memoryKeeper = keeper
    options.keptMemory = keeper.take()
    return try Engine(options)
  }

  private func read(_ engine: Engine) throws -> ConformanceReader.Outcome {
    try ConformanceReader(EmbeddedSession(engine), plan: Self.plan, family: 1).read()
  }

  /// A store that held all blocks, and is gone.
  private func leaveBlocks(with keeper: Keeper) throws {
    let engine = try open(keeper)
    defer { engine.stop() }
    #expect(try read(engine).cachedBlocks == 0)
    try eventually { engine.statistics().bornOnHost.blocks == Self.blocks }
  }

  @Test func whatWasKeptIsServed() throws {
    let keeper = Keeper()
    for life in 1...3 {
      if life == 1 {
        try leaveBlocks(with: keeper)
        continue
      }
      let engine = try open(keeper)
      defer { engine.stop() }
      let outcome = try read(engine)
      #expect(outcome.cachedBlocks == 12 && outcome.lost == 0 && outcome.sealed == 0)
      #expect(engine.statistics().adopted == Self.blocks)
    }
    let line = "\(Self.blocks) blocks in memory were taken over from an earlier life"
    #expect(keeper.notes.filter { $0 == line }.count == 2)
  }

  @Test func bytesThatChangedAreNotServed() throws {
    let keeper = Keeper()
    try leaveBlocks(with: keeper)
    // One byte of one block's payload, and of another's record.
    keeper.flip("-data", at: 5)
    keeper.flip("-records", at: 128 + 2 * 128 + 20)
    let engine = try open(keeper)
    defer { engine.stop() }
    // The reader checks every byte it is shown.
    let outcome = try read(engine)
    #expect(outcome.sealed >= 2)
    #expect(engine.statistics().adopted == Self.blocks - 2)
    #expect(keeper.notes.contains { $0.hasSuffix(", 1 were not as they should be and were dropped") })
  }

  @Test func whatIsNoArenaIsDropped() throws {
    let keeper = Keeper()
    try leaveBlocks(with: keeper)
    var ends: [Int32] = [0, 0]
    try #require(pipe(&ends) == 0)
    keeper.keep(ends[0], name: "tierd-arena-77-data")
    keeper.keep(tierd_memfd_create("small", 4096), name: "tierd-arena-78-data")
    keeper.keep(tierd_memfd_create("small", 4096), name: "tierd-arena-78-generations")
    keeper.keep(tierd_memfd_create("small", 4096), name: "tierd-arena-78-records")
    keeper.keep(ends[1], name: "something")
    let engine = try open(keeper)
    defer { engine.stop() }
    #expect(try read(engine).cachedBlocks == 12)
    #expect(keeper.dropped.count == 5)
    #expect(keeper.dropped.contains("tierd-arena-78-records"))
    for end in ends { close(end) }
  }

  @Test func aSmallerBudgetKeepsWhatFits() throws {
    let keeper = Keeper()
    try leaveBlocks(with: keeper)
    let slots = 20
    let engine = try open(keeper, hostBytes: slots * Self.plan.layout.slotBytes)
    defer { engine.stop() }
    try eventually { engine.statistics().host.usedBytes <= slots * Self.plan.layout.slotBytes }
  }

  @Test func aDevicesMemoryIsKeptToo() throws {
    let keeper = Keeper()
    // A device that holds a third of the blocks, and a host that holds the others.
    let (device, host) = (Self.blocks / 3 * Self.plan.layout.slotBytes, 8 << 20)
    do {
      let engine = try open(keeper, deviceBytes: device, hostBytes: host)
      defer { engine.stop() }
      #expect(try read(engine).cachedBlocks == 0)
      try eventually { engine.statistics().bornOnDevice.blocks + engine.statistics().bornOnHost.blocks == Self.blocks }
    }
    let engine = try open(keeper, deviceBytes: device, hostBytes: host)
    defer { engine.stop() }
    let outcome = try read(engine)
    #expect(outcome.cachedBlocks == 12 && outcome.sealed == 0 && outcome.lost == 0)
    // A block may be on both.
    #expect(engine.statistics().adopted >= Self.blocks)
  }

  @Test func whatWasKeptLiesInItsPoolAgain() throws {
    let keeper = Keeper()
    let nodes = [MemoryNode(id: 0, budgetBytes: 8 << 20)]
    for life in 1...2 {
      let engine = try open(keeper, nodes: nodes)
      defer { engine.stop() }
      let outcome = try read(engine)
      #expect(outcome.lost == 0 && (outcome.sealed == 0) == (life == 2))
      try eventually { engine.state.withLock { $0.core.brokenInvariant() } == nil }
      let pools = engine.state.withLock { $0.core.hostNodes() }
      #expect(pools.count == 1 && pools[0].node == 0 && pools[0].usedBytes >= Self.blocks * Self.plan.layout.slotBytes)
      let arenas = engine.state.withLock { $0.core.hostArenas() }
      #expect(!arenas.isEmpty && arenas.allSatisfy { engine.arenas.node($0.id) == 0 })
      // Locked in this life as in the one before.
      #expect(Set(arenas.map { engine.arenas.use($0.id)?.isLocked }).count == 1)
    }
  }

  @Test func anArenasRecordHasItsNodeAndOlderOnesHaveNone() throws {
    var bytes = [UInt8](repeating: 0, count: ArenaRecord.sizeBytes)
    for node in [nil, 0, 7] {
      let record = ArenaRecord(
        arena: ArenaID(3), tier: .host, tenant: TenantID(5), slotBytes: 8192, slotCount: 9, node: node,
        isLasting: node == 7)
      bytes.withUnsafeMutableBytes { record.write(to: $0.baseAddress!) }
      #expect(bytes.withUnsafeBytes { ArenaRecord($0.baseAddress!) } == record)
    }
  }

  private func eventually(_ condition: () -> Bool) throws {
    for _ in 0..<500 {
      if condition() { return }
      usleep(10_000)
    }
    Issue.record("it did not come about within 5 s")
  }
}

/// As a service manager does it: keeps duplicates by name, and hands them to the next life.
private final class Keeper: MemoryKeeper {
  private struct State {
    var kept: [String: Int32] = [:]
    var dropped: [String] = []
    var notes: [String] = []
  }
  private let state = Mutex(State())

  var dropped: [String] { state.withLock { $0.dropped } }
  var notes: [String] { state.withLock { $0.notes } }

  func note(_ line: String) { state.withLock { $0.notes.append(line) } }

  func keep(_ descriptor: Int32, name: String) {
    let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 3)
    state.withLock { $0.kept[name] = copy }
  }

  func drop(name: String) {
    state.withLock {
      if let descriptor = $0.kept.removeValue(forKey: name) { close(descriptor) }
      $0.dropped.append(name)
    }
  }

  func take() -> [KeptDescriptor] {
    state.withLock { state in
      state.kept.sorted { $0.key < $1.key }.map {
        KeptDescriptor(name: $0.key, descriptor: fcntl($0.value, F_DUPFD_CLOEXEC, 3))
      }
    }
  }

  /// Changes one byte of the file whose name ends so.
  func flip(_ suffix: String, at offset: Int) {
    let descriptor = state.withLock { state in state.kept.first { $0.key.hasSuffix(suffix) }!.value }
    var byte: UInt8 = 0
    pread(descriptor, &byte, 1, off_t(offset))
    byte ^= 1
    pwrite(descriptor, &byte, 1, off_t(offset))
  }

  deinit { state.withLock { state in for descriptor in state.kept.values { close(descriptor) } } }
}
