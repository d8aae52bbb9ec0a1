import ControlAPI
import Foundation
import Testing
import TierCore
import TierEngine
import TierTesting
import TierWire

/// How a worker reaches the store. One suite for all.
enum Transport: CaseIterable {
  case embedded
  case socket
}

/// A running store with its socket, in a directory of its own.
final class TestStore {
  let engine: Engine
  let server: WorkerServer
  let directory: URL

  init(
    deviceBytes: Int, hostBytes: Int, diskBytes: Int, directory: URL? = nil, tenants: TenantTable = TenantTable()
  ) throws {
    self.directory =
      directory ?? FileManager.default.temporaryDirectory.appending(path: "tierd-\(UInt32.random(in: 0...UInt32.max))")
    try FileManager.default.createDirectory(
      at: self.directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    var options = EngineOptions(
      deviceBytes: deviceBytes, hostBytes: hostBytes, diskBytes: diskBytes,
      spillDirectory: self.directory.appending(path: "spill").path,
      report: { FileHandle.standardError.write(Data(("store: " + $0 + "\n").utf8)) })
    options.tenants = tenants
    engine = try Engine(options)
    server = try WorkerServer(path: self.directory.appending(path: "w.sock").path, host: engine)
  }

  func session(_ transport: Transport) throws -> any ResidencySession {
    switch transport {
    case .embedded: try EmbeddedSession(engine)
    case .socket:
      try WorkerClient.connect(path: directory.appending(path: "w.sock").path, name: "test", timeoutMs: 5000)
    }
  }

  func stop(keepFiles: Bool = false) {
    server.stop()
    engine.stop()
    if !keepFiles { try? FileManager.default.removeItem(at: directory) }
  }
}

private let layout = BlockLayout(element: .bf16, kvHeads: 2, headDim: 32, blockTokens: 64)!

private func plan(_ blocks: Int, ordered: Bool = false, sequence: UInt32 = 1) -> SequencePlan {
  SequencePlan(
    sequence: SequenceID(sequence), layout: layout, layers: 3, chunkBlocks: 2, totalBlocks: blocks, stagingSlots: 4,
    ringSlots: 2, ordered: ordered)
}

@Suite(.serialized) struct ConformanceTests {
  @Test(arguments: Transport.allCases)
  func allResident(_ transport: Transport) throws {
    let store = try TestStore(deviceBytes: 8 << 20, hostBytes: 8 << 20, diskBytes: 0)
    defer { store.stop() }
    let outcome = try ConformanceReader(store.session(transport), plan: plan(12), family: 1).read()
    #expect(outcome.lost == 0)
    #expect(outcome.sealed + outcome.duplicates >= 30)
    #expect(outcome.used == 3 * (2 + 4 + 6 + 8 + 10))
    #expect(store.engine.statistics().misses == 0)
  }

  @Test(arguments: Transport.allCases)
  func spillsAndReadsBack(_ transport: Transport) throws {
    // 48 blocks a layer of 16 KiB: 2.25 MiB of KV over 256 KiB of device and 384 KiB of host.
    let store = try TestStore(deviceBytes: 256 << 10, hostBytes: 384 << 10, diskBytes: 64 << 20)
    defer { store.stop() }
    let outcome = try ConformanceReader(store.session(transport), plan: plan(48), family: 2).read()
    let counted = store.engine.statistics()
    #expect(outcome.lost == 0)
    #expect(counted.hostToDisk.blocks > 0)
    #expect(counted.diskToHost.blocks > 0)
    #expect(counted.device.peakBytes <= 256 << 10)
    #expect(counted.host.peakBytes <= 384 << 10)
  }

  @Test(arguments: Transport.allCases)
  func hostIsTheComputeTier(_ transport: Transport) throws {
    let store = try TestStore(deviceBytes: 0, hostBytes: 512 << 10, diskBytes: 64 << 20)
    defer { store.stop() }
    let outcome = try ConformanceReader(store.session(transport), plan: plan(48, ordered: true), family: 3).read()
    #expect(outcome.lost == 0)
    #expect(store.engine.statistics().hostToDevice.blocks == 0)
  }

  @Test(arguments: Transport.allCases)
  func tooSmallIsRefusedWithTheFigure(_ transport: Transport) throws {
    let store = try TestStore(deviceBytes: 8 << 10, hostBytes: 8 << 20, diskBytes: 0)
    defer { store.stop() }
    let session = try store.session(transport)
    try session.send(.open(plan(4)))
    let reply = try session.receive(timeoutMs: 5000)
    #expect(
      reply == .refused(SequenceID(1), .stepExceedsBudget(tier: .device, neededBytes: 32 << 10, budgetBytes: 8 << 10)))
  }

  @Test func aSecondReaderFindsTheFirstsBlocks() throws {
    let store = try TestStore(deviceBytes: 256 << 10, hostBytes: 384 << 10, diskBytes: 64 << 20)
    defer { store.stop() }
    _ = try ConformanceReader(store.session(.socket), plan: plan(20), family: 4).read()
    let again = try ConformanceReader(store.session(.embedded), plan: plan(20), family: 4).read()
    #expect(again.cachedBlocks == 20)
    #expect(again.duplicates == 60)
    #expect(again.lost == 0)
  }

  @Test func blocksSurviveARestart() throws {
    var store = try TestStore(deviceBytes: 256 << 10, hostBytes: 384 << 10, diskBytes: 64 << 20)
    _ = try ConformanceReader(store.session(.socket), plan: plan(20), family: 5).read()
    #expect(store.engine.drain(deadlineMs: 10_000) == 0)
    store.stop(keepFiles: true)
    store = try TestStore(
      deviceBytes: 256 << 10, hostBytes: 384 << 10, diskBytes: 64 << 20, directory: store.directory)
    defer { store.stop() }
    let again = try ConformanceReader(store.session(.socket), plan: plan(20), family: 5).read()
    #expect(again.cachedBlocks == 20)
    #expect(again.lost == 0)
  }

  @Test func manyReadersShareASmallStore() async throws {
    let store = try TestStore(deviceBytes: 512 << 10, hostBytes: 768 << 10, diskBytes: 64 << 20)
    defer { store.stop() }
    let sessions = try (0..<6).map { try store.session($0 % 2 == 0 ? .socket : .embedded) }
    let lost = await withTaskGroup(of: Result<Int, any Error>.self) { group in
      for (index, session) in sessions.enumerated() {
        group.addTask {
          Result { try ConformanceReader(session, plan: plan(24), family: UInt64(10 + index % 4)).read().lost }
        }
      }
      return await group.reduce(into: []) { $0.append($1) }
    }
    for result in lost { #expect(throws: Never.self) { try result.get() } }
    for session in sessions { session.end() }
  }

  @Test func aVanishedWorkerLeavesNothingBehind() throws {
    let store = try TestStore(deviceBytes: 1 << 20, hostBytes: 1 << 20, diskBytes: 0)
    defer { store.stop() }
    let session = try store.session(.socket)
    try session.send(.open(plan(4)))
    _ = try session.receive(timeoutMs: 5000)
    try session.send(.extend(SequenceID(1), blocks: [BlockID(a: 1, b: 2, c: 3, d: 4)]))
    try session.send(.reserve(SequenceID(1), layer: 0, blocks: 0..<1))
    _ = try session.receive(timeoutMs: 5000)
    session.end()
    let used = { store.engine.statistics().host.usedBytes }
    for _ in 0..<200 where used() != 0 { Thread.sleep(forTimeInterval: 0.01) }
    #expect(used() == 0)
  }
}
