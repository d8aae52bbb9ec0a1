import ControlAPI
import FoundationEssentials
import Glibc
import TierCore
import TierEngine

/// What every store must do, whatever it is made of and however it is reached. Each case runs a store of its own with real
/// threads, memory, files and sockets, and throws a sentence about the first promise that was broken.
public enum ConformanceSuite {
  public struct Case: Sendable, CustomStringConvertible {
    public let name: String
    let body: @Sendable (ConformanceBed) throws -> Void

    public var description: String { name }
    public func run(_ bed: ConformanceBed) throws { try body(bed) }
  }

  public static let cases: [Case] =
    ConformanceTransport.allCases.flatMap { transport in
      [
        Case(name: "all resident, \(transport)") { try allResident($0, transport) },
        Case(name: "spills and reads back, \(transport)") { try spillsAndReadsBack($0, transport) },
        Case(name: "the host is the compute tier, \(transport)") { try hostIsTheComputeTier($0, transport) },
        Case(name: "too small is refused with the figure, \(transport)") { try tooSmallIsRefused($0, transport) },
      ]
    } + [
      Case(name: "a second reader finds the first's blocks", body: aSecondReaderFindsTheFirstsBlocks),
      Case(name: "blocks survive a restart", body: blocksSurviveARestart),
      Case(name: "many readers share a small store", body: manyReadersShareASmallStore),
      Case(name: "a vanished worker leaves nothing behind", body: aVanishedWorkerLeavesNothingBehind),
      Case(name: "a device tier shrinks and grows under a reader", body: theDeviceTierShrinksAndGrows),
    ]

  static func require(_ holds: Bool, _ what: @autoclosure () -> String) throws {
    guard holds else { throw ConformanceReader.Fault(description: what()) }
  }

  private static func makeStore(
    _ bed: ConformanceBed, deviceKiB: Int, hostKiB: Int, diskKiB: Int, directory: URL? = nil
  ) throws -> ConformanceStore {
    try ConformanceStore(
      bed, deviceBytes: deviceKiB * bed.scale << 10, hostBytes: hostKiB * bed.scale << 10,
      diskBytes: diskKiB * bed.scale << 10, directory: directory)
  }

  private static func plan(
    _ bed: ConformanceBed, _ blocks: Int, ordered: Bool = false, sequence: UInt32 = 1
  ) -> SequencePlan {
    // 16 KiB, times the scale.
    let layout = BlockLayout(element: .bf16, kvHeads: 2, headDim: 32, blockTokens: 64 * bed.scale)!
    return SequencePlan(
      sequence: SequenceID(sequence), layout: layout, layers: 3, chunkBlocks: 2, totalBlocks: blocks, stagingSlots: 4,
      ringSlots: 2, ordered: ordered)
  }

  private static func read(
    _ store: ConformanceStore, _ transport: ConformanceTransport, _ plan: SequencePlan, family: UInt64
  ) throws -> ConformanceReader.Outcome {
    let session = try store.session(transport)
    defer { session.end() }
    return try ConformanceReader(session, plan: plan, family: family).read()
  }

  private static func allResident(_ bed: ConformanceBed, _ transport: ConformanceTransport) throws {
    let store = try makeStore(bed, deviceKiB: 8 << 10, hostKiB: 8 << 10, diskKiB: 0)
    defer { store.stop() }
    let outcome = try read(store, transport, plan(bed, 12), family: 1)
    try require(outcome.lost == 0, "\(outcome.lost) blocks lost with room for all")
    try require(outcome.sealed + outcome.duplicates >= 30, "\(outcome.sealed) blocks sealed of 36")
    try require(outcome.used == 3 * (2 + 4 + 6 + 8 + 10), "\(outcome.used) blocks used")
    let misses = store.engine.statistics().misses
    try require(misses == 0, "\(misses) misses with everything resident")
  }

  /// 48 blocks a layer of 16 KiB: 2.25 MiB of KV over 256 KiB of device and 384 KiB of host; all times the scale.
  private static func spillsAndReadsBack(_ bed: ConformanceBed, _ transport: ConformanceTransport) throws {
    let store = try makeStore(bed, deviceKiB: 256, hostKiB: 384, diskKiB: 64 << 10)
    defer { store.stop() }
    let outcome = try read(store, transport, plan(bed, 48), family: 2)
    let counted = store.engine.statistics()
    try require(outcome.lost == 0, "\(outcome.lost) blocks lost")
    try require(counted.hostToDisk.blocks > 0, "nothing was written to disk")
    try require(counted.diskToHost.blocks > 0, "nothing was read from disk")
    try require(counted.hostToDevice.blocks > 0, "nothing came back to the device")
    try require(
      counted.device.peakBytes <= 256 * bed.scale << 10, "the device tier had \(counted.device.peakBytes) bytes")
    try require(counted.host.peakBytes <= 384 * bed.scale << 10, "the host tier had \(counted.host.peakBytes) bytes")
  }

  private static func hostIsTheComputeTier(_ bed: ConformanceBed, _ transport: ConformanceTransport) throws {
    let store = try makeStore(bed, deviceKiB: 0, hostKiB: 512, diskKiB: 64 << 10)
    defer { store.stop() }
    let outcome = try read(store, transport, plan(bed, 48, ordered: true), family: 3)
    try require(outcome.lost == 0, "\(outcome.lost) blocks lost")
    try require(store.engine.statistics().hostToDevice.blocks == 0, "blocks went to a device that is not there")
  }

  private static func tooSmallIsRefused(_ bed: ConformanceBed, _ transport: ConformanceTransport) throws {
    let store = try makeStore(bed, deviceKiB: 8, hostKiB: 8 << 10, diskKiB: 0)
    defer { store.stop() }
    let session = try store.session(transport)
    defer { session.end() }
    try session.send(.open(plan(bed, 4)))
    let reply = try session.receive(timeoutMs: 5000)
    guard case .refused(_, .stepExceedsBudget(.device, let needed, let budget)) = reply else {
      throw ConformanceReader.Fault(description: "expected a refusal, got \(String(describing: reply))")
    }
    try require(needed >= 32 * bed.scale << 10, "a step was said to need \(needed) bytes")
    try require(budget <= 8 * bed.scale << 10, "a budget of \(budget) bytes was told")
  }

  private static func aSecondReaderFindsTheFirstsBlocks(_ bed: ConformanceBed) throws {
    let store = try makeStore(bed, deviceKiB: 256, hostKiB: 384, diskKiB: 64 << 10)
    defer { store.stop() }
    _ = try read(store, .socket, plan(bed, 20), family: 4)
    let again = try read(store, .embedded, plan(bed, 20), family: 4)
    try require(again.cachedBlocks == 20, "\(again.cachedBlocks) of 20 blocks found again")
    try require(again.duplicates == 60, "\(again.duplicates) of 60 blocks known")
    try require(again.lost == 0, "\(again.lost) blocks lost")
  }

  private static func blocksSurviveARestart(_ bed: ConformanceBed) throws {
    var store = try makeStore(bed, deviceKiB: 256, hostKiB: 384, diskKiB: 64 << 10)
    _ = try read(store, .socket, plan(bed, 20), family: 5)
    let left = store.engine.drain(deadlineMs: 10_000)
    try require(left == 0, "\(left) blocks not on disk after a drain")
    store.stop(keepFiles: true)
    store = try makeStore(bed, deviceKiB: 256, hostKiB: 384, diskKiB: 64 << 10, directory: store.directory)
    defer { store.stop() }
    let again = try read(store, .socket, plan(bed, 20), family: 5)
    try require(again.cachedBlocks == 20, "\(again.cachedBlocks) of 20 blocks found after a restart")
    try require(again.lost == 0, "\(again.lost) blocks lost")
  }

  private static func manyReadersShareASmallStore(_ bed: ConformanceBed) throws {
    let store = try makeStore(bed, deviceKiB: 512, hostKiB: 768, diskKiB: 64 << 10)
    defer { store.stop() }
    let sessions = try (0..<6).map { try store.session($0 % 2 == 0 ? .socket : .embedded) }
    defer { for session in sessions { session.end() } }
    let readers = sessions.enumerated().map { index, session in
      Background { _ = try ConformanceReader(session, plan: plan(bed, 24), family: UInt64(10 + index % 4)).read() }
    }
    for reader in readers { try reader.wait() }
  }

  private static func aVanishedWorkerLeavesNothingBehind(_ bed: ConformanceBed) throws {
    let store = try makeStore(bed, deviceKiB: 1 << 10, hostKiB: 1 << 10, diskKiB: 0)
    defer { store.stop() }
    let session = try store.session(.socket)
    try session.send(.open(plan(bed, 4)))
    _ = try session.receive(timeoutMs: 5000)
    try session.send(.extend(SequenceID(1), blocks: [BlockID(a: 1, b: 2, c: 3, d: 4)]))
    try session.send(.reserve(SequenceID(1), layer: 0, blocks: 0..<1))
    _ = try session.receive(timeoutMs: 5000)
    session.end()
    let used = { store.engine.statistics().host.usedBytes }
    for _ in 0..<200 where used() != 0 { usleep(10_000) }
    try require(used() == 0, "\(used()) bytes of a vanished worker are held")
  }

  private static func theDeviceTierShrinksAndGrows(_ bed: ConformanceBed) throws {
    let store = try makeStore(bed, deviceKiB: 1 << 10, hostKiB: 512, diskKiB: 64 << 10)
    defer { store.stop() }
    let session = try store.session(.socket)
    defer { session.end() }
    let reader = Background {
      let outcome = try ConformanceReader(session, plan: plan(bed, 48), family: 6).read()
      try require(outcome.lost == 0, "\(outcome.lost) blocks lost")
    }
    let control = EngineControl(store.engine, instance: "conformance")
    for turn in 0..<6 {
      usleep(20_000)
      let bytes = (turn % 2 == 0 ? 256 : 1 << 10) * bed.scale << 10
      _ = try control.set(.init(deviceBudgetBytes: bytes))
    }
    try reader.wait()
    session.end()
    _ = try control.set(.init(deviceBudgetBytes: 256 * bed.scale << 10))
    let used = { store.engine.statistics().device.usedBytes }
    for _ in 0..<500 where used() > 256 * bed.scale << 10 { usleep(10_000) }
    try require(used() <= 256 * bed.scale << 10, "\(used()) bytes stay in a device tier that was shrunk")
  }
}
