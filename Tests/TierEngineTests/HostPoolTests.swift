import ControlAPI
import Glibc
import Synchronization
import Testing
import TierCore
import TierMemory
import TierTesting

@testable import TierEngine

/// A store whose host memory is registered with a device: what is given back is unregistered first.
@Suite struct HostPoolTests {
  private static let plan = SequencePlan(
    sequence: SequenceID(1), layout: BlockLayout(element: .bf16, kvHeads: 2, headDim: 32, blockTokens: 64)!, layers: 3,
    chunkBlocks: 2, totalBlocks: 24, stagingSlots: 4, ringSlots: 2, ordered: false)
  private static var slot: Int { plan.layout.slotBytes }

  /// Keeps count, and looks whether what it is told is there.
  private final class Device: HostRegistrar {
    struct State {
      var extents: [UInt: Int] = [:]
      var registered = 0
    }
    let state = Mutex(State())

    func register(_ base: UnsafeMutableRawPointer, bytes: Int) throws(HostRegistrarFault) {
      // A device takes whole pages that are in memory.
      var pages = [UInt8](repeating: 0, count: bytes / 4096)
      let isThere = bytes % 4096 == 0 && mincore(base, bytes, &pages) == 0 && pages.allSatisfy { $0 & 1 == 1 }
      #expect(isThere && bytes <= HostMemory.extentBytes)
      state.withLock { state in
        #expect(state.extents.updateValue(bytes, forKey: UInt(bitPattern: base)) == nil)
        state.registered += 1
      }
    }

    func unregister(_ base: UnsafeMutableRawPointer, bytes: Int) {
      #expect(state.withLock { $0.extents.removeValue(forKey: UInt(bitPattern: base)) } == bytes)
    }

    var bytes: Int { state.withLock { $0.extents.values.reduce(0, +) } }
  }

  private func open(_ device: Device, hostSlots: Int) throws -> Engine {
    var options = EngineOptions(deviceBytes: 0, hostBytes: hostSlots * Self.slot, diskBytes: 0)
    options.hostNodes = [MemoryNode(id: 0, budgetBytes: hostSlots * Self.slot)]
    options.hostMemory.topology = .read()
    options.hostMemory.registrar = device
    return try Engine(options)
  }

  private func eventually(_ condition: () -> Bool) throws {
    for _ in 0..<500 {
      if condition() { return }
      usleep(10_000)
    }
    Issue.record("it did not come about within 5 s")
  }

  @Test func extentsAreRegisteredWholeAndUnregisteredBeforeTheyGo() throws {
    let device = Device()
    let engine = try open(device, hostSlots: 160)
    let outcome = try ConformanceReader(EmbeddedSession(engine), plan: Self.plan, family: 1).read()
    #expect(outcome.lost == 0)
    try eventually { device.bytes > 100 * Self.slot }
    let pool = EngineControl(engine, instance: "x").status().pools[0]
    #expect(pool.node == 0 && pool.registeredBytes == device.bytes)
    #expect(pool.pinnedBytes >= pool.registeredBytes && pool.committedBytes <= pool.budgetBytes)
    // Down to less than it holds: its blocks are idle, and go.
    engine.handle(.setBudget(.host, bytes: 20 * Self.slot))
    try eventually { engine.state.withLock { $0.core.hostPool().committedBytes } <= 20 * Self.slot }
    try eventually { device.bytes <= 20 * Self.slot }
    engine.stop()
  }

  @Test func budgetsThatComeAndGoUnderReadersServeTheRightBytes() throws {
    let device = Device()
    let engine = try open(device, hostSlots: 140)
    for round in 0..<6 {
      let slots = round % 2 == 0 ? 100 : 140
      engine.handle(.setBudget(.host, bytes: slots * Self.slot))
      // The reader checks every byte it is shown.
      _ = try ConformanceReader(EmbeddedSession(engine), plan: Self.plan, family: UInt64(round % 3)).read()
    }
    #expect(device.state.withLock { $0.registered } > 0)
    engine.stop()
    #expect(engine.state.withLock { $0.core.brokenInvariant() } == nil)
  }

  @Test func poolsWithoutADeviceAreLockedAndSayHowMuch() throws {
    var options = EngineOptions(deviceBytes: 0, hostBytes: 160 * Self.slot, diskBytes: 0)
    options.hostMemory.locks = true
    let notes = Mutex<[String]>([])
    options.report = { line in notes.withLock { $0.append(line) } }
    let engine = try Engine(options)
    defer { engine.stop() }
    _ = try ConformanceReader(EmbeddedSession(engine), plan: Self.plan, family: 1).read()
    let pool = EngineControl(engine, instance: "x").status().pools[0]
    #expect(pool.node == nil && pool.committedBytes > 0 && pool.pinnedBytes + pool.pageableBytes == pool.committedBytes)
    // Where this process may not lock so much, that is said, and everything counts as pageable.
    let isTold = notes.withLock { $0.contains { $0.contains("cannot be locked") } }
    #expect(isTold == (pool.pageableBytes > 0))
    #expect(pool.pages.map(\.pageBytes) == [4096])
  }
}
