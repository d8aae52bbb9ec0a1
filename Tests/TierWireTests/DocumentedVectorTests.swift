import FoundationEssentials
import Testing
import TierCore

@testable import TierWire

/// The test vectors of docs/protocol.md are what this code sends and understands.
@Suite struct DocumentedVectorTests {
  static let client: [(name: String, message: ClientMessage)] = {
    let s = SequenceID(7)
    let layout = BlockLayout(element: .bf16, kvHeads: 3, headDim: 64, blockTokens: 256)!
    let plan = SequencePlan(
      sequence: s, layout: layout, layers: 30, chunkBlocks: 2, totalBlocks: 24, stagingSlots: 4, ringSlots: 2,
      ordered: true)
    let id = BlockID(bytes: (0..<32).map { UInt8($0) })!
    return [
      ("hello", .hello(Hello(minVersion: 1, maxVersion: 1, clientName: "w"))), ("open", .request(.open(plan))),
      ("extend", .request(.extend(s, blocks: [id]))), ("reserve", .request(.reserve(s, layer: 0, blocks: 0..<2))),
      ("seal", .request(.seal(s, layer: 0, blocks: 0..<2))),
      ("acquire", .request(.acquire(s, chunk: 5, layer: 29, blocks: 0..<32))),
      ("release", .request(.release(s, layer: 29, blocks: 0..<32))), ("close", .request(.close(s))),
      ("statistics_query", .statisticsQuery), ("trace_query", .traceQuery),
    ]
  }()

  static let server: [(name: String, message: ServerMessage)] = {
    let s = SequenceID(7)
    let slot = SlotRef(arena: ArenaID(1), index: 5)
    let arena = ArenaDescription(arena: ArenaID(1), tier: .host, role: .data, slotBytes: 196608, slotCount: 256)
    let store = StoreInstance(high: 0x0001_0203_0405_0607, low: 0x0809_0A0B_0C0D_0E0F)
    return [
      ("welcome", .welcome(Welcome(version: 1, store: store))),
      ("failure", .failure(Failure(.malformed, "why"))), ("arenas", .arenas([arena])),
      ("admitted", .replies([.admitted(s, staging: ArenaID(2), stagingSlots: 4)])),
      ("queued", .replies([.queued(s, ahead: 1)])),
      ("refused", .replies([.refused(s, .stepExceedsBudget(tier: .device, neededBytes: 4096, budgetBytes: 1024))])),
      ("extended", .replies([.extended(s, named: 24, cachedBlocks: 3)])),
      ("reserved", .replies([.reserved(s, layer: 0, first: 0, [.slot(0), .slot(1), .duplicate])])),
      ("sealed", .replies([.sealed(s, layer: 0, block: 0, .accepted), .sealed(s, layer: 0, block: 1, .accepted)])),
      ("durable", .replies([.durable(s, layer: 0, block: 1)])),
      (
        "acquired",
        .replies([
          .acquired(
            s, layer: 29, first: 0,
            [
              .resident(slot, generation: 9), .resident(SlotRef(arena: ArenaID(1), index: 6), generation: 1), .moving,
              .lost,
            ])
        ])
      ), ("ready", .replies([.ready(s, layer: 29, block: 2, slot, generation: 10)])),
      ("lost", .replies([.lost(s, layer: 29, block: 2)])), ("closed", .replies([.closed(s)])),
      ("violated", .replies([.violation(.unknownSequence(s))])),
      (
        "trace",
        .trace(
          MoveTrace(
            records: [
              .move(
                TracedMove(
                  link: .diskToHost, mover: 1, sequence: s, layer: 29, block: 2, bytes: 196608, beganNs: 1000,
                  endedNs: 1300, outcome: .moved)), .statistics(atNs: 1400),
            ], dropped: 5, left: 6))
      ),
    ]
  }()

  private static let document: String = {
    let path = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
    let bytes = try? Data(contentsOf: URL(filePath: "/\(path)/docs/protocol.md"))
    return String(decoding: bytes ?? Data(), as: UTF8.self)
  }()

  /// The hexadecimal bytes in the document's last row for `name`: vectors come after what explains them.
  private static func documented(_ name: String) -> [UInt8]? {
    let row = document.split(separator: "\n").last { $0.hasPrefix("| `\(name)` | `") }
    guard let row else { return nil }
    let digits = Array(row.split(separator: "`")[3])
    return stride(from: 0, to: digits.count - 1, by: 2).compactMap { UInt8(String(digits[$0...($0 + 1)]), radix: 16) }
  }

  private static func hex(_ bytes: [UInt8]) -> String {
    bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
  }

  @Test(arguments: client.indices) func clientFramesAreAsDocumented(index: Int) throws {
    let (name, message) = Self.client[index]
    let frame = try message.frame()
    #expect(Self.documented(name) == frame, "| `\(name)` | `\(Self.hex(frame))` |")
    #expect(try ClientMessage(frame) == message)
  }

  @Test(arguments: server.indices) func serverFramesAreAsDocumented(index: Int) throws {
    let (name, message) = Self.server[index]
    let frames = try message.frames()
    #expect(frames.count == 1)
    #expect(Self.documented(name) == frames[0], "| `\(name)` | `\(Self.hex(frames[0]))` |")
    #expect(try ServerMessage(frames[0]) == message)
  }
}
