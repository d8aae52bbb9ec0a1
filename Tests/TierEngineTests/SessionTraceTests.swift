import Testing
import TierCore
import TierTesting

@testable import TierEngine

/// What a session is told of moves: its own blocks by its own names, all of them, and no more than there is room for.
@Suite(.serialized) struct SessionTraceTests {
  private static let layout = BlockLayout(element: .bf16, kvHeads: 2, headDim: 32, blockTokens: 64)!

  private static func plan(_ sequence: UInt32, layers: Int = 3) -> SequencePlan {
    SequencePlan(
      sequence: SequenceID(sequence), layout: layout, layers: layers, chunkBlocks: 2, totalBlocks: 8, stagingSlots: 4,
      ringSlots: 2, ordered: false)
  }

  private static func id(_ n: UInt64) -> BlockID { BlockID(a: n, b: 0, c: 0, d: 0) }

  private static func move(_ n: UInt64, layer: UInt16 = 1, tenant: UInt32 = 7) -> MoveIdentity {
    MoveIdentity(
      key: BlockKey(tenant: TenantID(tenant), id: id(n), layer: layer), link: .diskToHost, bytes: layout.payloadBytes)
  }

  private static let ended = EndedMove(move: MoveID(1), outcome: .verified, mover: 1, beganNs: 10, endedNs: 30)

  private static func places(_ trace: MoveTrace) -> [[Int]] {
    trace.records.map { record in
      guard case .move(let move) = record else { return [] }
      return [Int(move.sequence.rawValue), move.layer, move.block]
    }
  }

  @Test func onlyBlocksTheSessionNamedAndByItsNames() {
    var trace = SessionTrace(tenant: TenantID(7))
    trace.note(.open(Self.plan(4)))
    trace.note(.extend(SequenceID(4), blocks: [Self.id(100), Self.id(101)]))
    trace.note(.extend(SequenceID(4), blocks: [Self.id(102)]))
    trace.record(Self.move(102), Self.ended)
    trace.record(Self.move(100, layer: 2), Self.ended)
    // Another's block, another tenant's of the same id, and a layer the sequence has not.
    trace.record(Self.move(999), Self.ended)
    trace.record(Self.move(101, tenant: 8), Self.ended)
    trace.record(Self.move(101, layer: 3), Self.ended)
    #expect(Self.places(trace.take()) == [[4, 1, 2], [4, 2, 0]])
  }

  @Test func aClosedSequenceCountsUntilAnotherIsOpened() {
    var trace = SessionTrace(tenant: TenantID(7))
    trace.note(.open(Self.plan(1)))
    trace.note(.extend(SequenceID(1), blocks: [Self.id(1)]))
    trace.note(.close(SequenceID(1)))
    trace.record(Self.move(1), Self.ended)
    trace.note(.open(Self.plan(2)))
    trace.record(Self.move(1), Self.ended)
    #expect(Self.places(trace.take()) == [[1, 1, 0]])
  }

  @Test func partsAreBoundedAndWhatFindsNoRoomIsCounted() {
    var trace = SessionTrace(tenant: TenantID(7))
    for _ in 0..<SessionTrace.recordsMax + 5 { trace.recordStatistics(atNs: 1) }
    let first = trace.take()
    #expect(first.records.count == MoveTrace.maxRecords && first.dropped == 5)
    #expect(first.left == SessionTrace.recordsMax - MoveTrace.maxRecords)
    var taken = first.records.count
    while true {
      let part = trace.take()
      #expect(part.dropped == 0)
      taken += part.records.count
      if part.left == 0 { break }
    }
    #expect(taken == SessionTrace.recordsMax)
    // There is room again.
    trace.recordStatistics(atNs: 2)
    #expect(trace.take() == MoveTrace(records: [.statistics(atNs: 2)]))
  }

  @Test(arguments: Transport.allCases)
  func betweenTwoReadingsOfTheStatisticsIsWhatTheyCount(_ transport: Transport) throws {
    let store = try TestStore(deviceBytes: 256 << 10, hostBytes: 384 << 10, diskBytes: 64 << 20)
    defer { store.stop() }
    let session = try #require(try store.session(transport) as? any TracedSession)
    var records = try session.takeTrace().records
    let before = try session.statistics()
    _ = try ConformanceReader(session, plan: plan(48), family: 4).read()
    let after = try session.statistics()
    var left = 1
    while left > 0 {
      let trace = try session.takeTrace()
      records += trace.records
      left = trace.left
      #expect(trace.dropped == 0)
    }
    let marks = records.indices.filter { if case .statistics = records[$0] { true } else { false } }
    try #require(marks.count == 2)
    let pairs: [(MoveLink, KeyPath<StoreStatistics, StoreStatistics.Moves>)] = [
      (.workerToDevice, \.bornOnDevice), (.workerToHost, \.bornOnHost), (.deviceToHost, \.deviceToHost),
      (.hostToDevice, \.hostToDevice), (.hostToDisk, \.hostToDisk), (.diskToHost, \.diskToHost),
    ]
    for (link, counted) in pairs {
      let traced = records[marks[0]..<marks[1]].filter { record in
        guard case .move(let move) = record else { return false }
        return move.link == link && move.outcome == .moved
      }
      #expect(traced.count == after[keyPath: counted].blocks - before[keyPath: counted].blocks, "\(link)")
      #expect(!traced.isEmpty || link == .deviceToHost, "\(link)")
    }
    #expect(records.allSatisfy(Self.isSane))
  }

  private static func isSane(_ record: TraceRecord) -> Bool {
    guard case .move(let move) = record else { return true }
    return move.endedNs >= move.beganNs && move.beganNs > 0 && move.sequence == SequenceID(1) && move.layer < 3
      && move.block < 48 && move.bytes == layout.payloadBytes
  }

  private func plan(_ blocks: Int) -> SequencePlan {
    SequencePlan(
      sequence: SequenceID(1), layout: Self.layout, layers: 3, chunkBlocks: 2, totalBlocks: blocks, stagingSlots: 4,
      ringSlots: 2, ordered: false)
  }
}
