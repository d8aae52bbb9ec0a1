import SwiftProtobuf
import Testing
import TierCore

@testable import TierWire

@Suite struct MalformedFrameTests {
  private func expectMalformed(_ body: WireClientFrame.OneOf_Body, _ what: Comment) throws {
    var frame = WireClientFrame()
    frame.body = body
    let bytes: [UInt8] = try frame.serializedBytes()
    #expect(throws: FrameError.self, what) { try ClientMessage(bytes) }
  }

  private func expectMalformed(_ body: WireServerFrame.OneOf_Body, _ what: Comment) throws {
    var frame = WireServerFrame()
    frame.body = body
    let bytes: [UInt8] = try frame.serializedBytes()
    #expect(throws: FrameError.self, what) { try ServerMessage(bytes) }
  }

  @Test func framesOfNoMessageAreRefused() {
    #expect(throws: FrameError.self) { try ClientMessage([]) }
    #expect(throws: FrameError.self) { try ServerMessage([]) }
    // A well-formed frame whose body is of a later version: field 99, one varint.
    #expect(throws: FrameError.self) { try ClientMessage([0x98, 0x06, 0x01]) }
    #expect(throws: FrameError.tooLarge) { try ClientMessage([UInt8](repeating: 0, count: 65537)) }
  }

  @Test func fieldsOfALaterVersionAreRefusedButInAHello() throws {
    var close = WireClose()
    close.unknownFields = try WireClose(serializedBytes: [0x98, 0x06, 0x01] as [UInt8]).unknownFields
    try expectMalformed(.close(close), "an unknown field in a request")
    var frame = WireClientFrame()
    frame.body = .hello(
      try WireHello(serializedBytes: [0x08, 0x01, 0x10, 0x02, 0x1a, 0x01, 0x77, 0x98, 0x06, 0x01] as [UInt8]))
    let hello: [UInt8] = try frame.serializedBytes()
    #expect(try ClientMessage(hello) == .hello(Hello(minVersion: 1, maxVersion: 2, clientName: "w")))
  }

  @Test func truncatedFramesAreRefusedOrMeanSomethingElse() throws {
    var r = Seeded(1)
    for _ in 0..<300 {
      let message = Samples.clientMessage(&r)
      let frame = try message.frame()
      for length in [0, frame.count / 2, frame.count - 1] {
        let cut = Array(frame[..<length])
        // The outer length covers the whole frame, so any cut is detected.
        #expect(throws: FrameError.self) { try ClientMessage(cut) }
      }
    }
  }

  @Test func requestsOutsideTheLimitsAreRefused() throws {
    try expectMalformed(.reserve(.with { $0.layer = 1024 }), "layer")
    try expectMalformed(.seal(.with { $0.first = .max }), "first block")
    try expectMalformed(.release(.with { $0.count = 1025 }), "count")
    try expectMalformed(
      .acquire(
        .with {
          $0.first = UInt32(SequencePlan.maxBlocks)
          $0.count = 1
        }), "end of the range")
    try expectMalformed(.acquire(.with { $0.chunk = .max }), "chunk")
    try expectMalformed(.extend(.with { $0.blocks = .init(repeating: 0, count: 33) }), "part of an id")
    try expectMalformed(.extend(.with { $0.blocks = .init(repeating: 0, count: 1025 * 32) }), "ids")
  }

  @Test func plansOutsideTheLimitsAreRefused() throws {
    var r = Seeded(2)
    let plan = try Samples.plan(&r).message()
    let changes: [(Comment, (inout WireOpen) -> Void)] = [
      ("element", { $0.element = 4 }), ("element beyond a byte", { $0.element = 256 }), ("heads", { $0.kvHeads = 0 }),
      ("dimension", { $0.headDim = .max }), ("tokens", { $0.blockTokens = .max }), ("layers", { $0.layers = 1025 }),
      ("blocks", { $0.totalBlocks = .max }), ("chunk", { $0.chunkBlocks = .max }),
      ("staging", { $0.stagingSlots = 16385 }), ("ring", { $0.ringSlots = .max }),
    ]
    for (what, change) in changes {
      var changed = plan
      change(&changed)
      try expectMalformed(.open(changed), what)
    }
  }

  @Test func hellosThatMakeNoSenseAreRefused() throws {
    try expectMalformed(.hello(.with { $0.maxVersion = 1 }), "version 0")
    try expectMalformed(
      .hello(
        .with {
          $0.minVersion = 2
          $0.maxVersion = 1
        }), "no version")
    for name in ["\u{1B}[2J", "a\nb", "\u{202E}x", String(repeating: "x", count: 65)] {
      try expectMalformed(
        .hello(
          .with {
            ($0.minVersion, $0.maxVersion) = (1, 1)
            $0.clientName = name
          }), "name")
    }
  }

  @Test func acquiredWhoseArraysDisagreeIsRefused() throws {
    let good = WireAcquired.with {
      $0.runs = [2 << 2 | 1, 1 << 2 | 2]
      $0.slots = [1, 2]
      $0.generations = [3, 4]
    }
    #expect(try Reply.decode(.acquired(good)).count == 1)
    let changes: [(Comment, (inout WireAcquired) -> Void)] = [
      ("fewer slots", { ($0.slots, $0.generations) = ([1], [3]) }),
      ("more slots", { ($0.slots, $0.generations) = ([1, 2, 3], [3, 4, 5]) }),
      ("fewer generations", { $0.generations = [3] }), ("an unknown state", { $0.runs[1] = 1 << 2 }),
      ("an empty run", { $0.runs.append(1) }), ("too many blocks", { $0.runs.append(1024 << 2 | 2) }),
      ("a run near all numbers", { $0.runs = [.max, .max, .max] }), ("a layer", { $0.layer = 1024 }),
      ("blocks beyond all", { $0.first = UInt32(SequencePlan.maxBlocks - 2) }),
    ]
    for (what, change) in changes {
      var changed = good
      change(&changed)
      try expectMalformed(.acquired(changed), what)
    }
  }

  @Test func otherRepliesOutsideTheLimitsAreRefused() throws {
    try expectMalformed(
      .reserved(
        .with {
          $0.runs = [1 << 2 | 1]
          $0.slots = [16384]
        }), "staging slot")
    try expectMalformed(.reserved(.with { $0.runs = [1 << 2 | 3] }), "state of a reservation")
    try expectMalformed(.sealed(.with { $0.count = 1 }), "outcome")
    try expectMalformed(.durable(.with { $0.first = 1 }), "no blocks")
    try expectMalformed(.ready(.with { $0.first = 1 }), "no blocks")
    try expectMalformed(.refused(.with { $0.sequence = 1 }), "reason")
    try expectMalformed(
      .refused(
        .with {
          $0.reason = .stepExceedsBudget
          $0.tier = .UNRECOGNIZED(3)
        }), "tier")
    try expectMalformed(
      .refused(
        .with {
          $0.reason = .queueFull
          $0.limit = .max
        }), "limit")
    try expectMalformed(.violated(.with { $0.kind = .UNRECOGNIZED(99) }), "violation")
    try expectMalformed(.statistics(.with { $0.hits = .max }), "hits")
    try expectMalformed(.welcome(.with { $0.storeInstance = .init(repeating: 0, count: 15) }), "instance")
  }

  @Test func arenasOutsideTheLimitsAreRefused() throws {
    let good = WireArena.with {
      ($0.arena, $0.tier, $0.role, $0.slotBytes, $0.slotCount) = (1, .host, .data, 4096, 4)
    }
    #expect(try ArenaDescription.list(.with { $0.arenas = [good] }).count == 1)
    let changes: [(Comment, (inout WireArena) -> Void)] = [
      ("no role", { $0.role = .unspecified }), ("slot of no bytes", { $0.slotBytes = 0 }),
      ("huge slot", { $0.slotBytes = .max }), ("no slots", { $0.slotCount = 0 }),
      ("generations", { $0.role = .generations }),
      ("tier", { $0.tier = .UNRECOGNIZED(9) }),
      ("memory of no known kind", { $0.memory = .UNRECOGNIZED(2) }),
      ("a file on a device", { $0.deviceUuid = .init(repeating: 1, count: 16) }),
      ("a file of an allocation", { $0.allocationBytes = 1 << 20 }),
      ("CUDA memory of no device", { ($0.memory, $0.allocationBytes) = (.cuda, 1 << 20) }),
      (
        "more slots than memory",
        { ($0.memory, $0.deviceUuid, $0.allocationBytes) = (.cuda, .init(repeating: 1, count: 16), 4 * 4096 - 1) }
      ),
      (
        "CUDA memory to write to",
        {
          ($0.memory, $0.deviceUuid, $0.allocationBytes) = (.cuda, .init(repeating: 1, count: 16), 1 << 20)
          $0.role = .staging
        }
      ),
      (
        "absurdly much",
        { ($0.memory, $0.deviceUuid, $0.allocationBytes) = (.cuda, .init(repeating: 1, count: 16), .max) }
      ),
    ]
    for (what, change) in changes {
      var changed = good
      change(&changed)
      try expectMalformed(.arenas(.with { $0.arenas = [changed] }), what)
    }
    try expectMalformed(.arenas(WireArenas()), "none")
    try expectMalformed(.arenas(.with { $0.arenas = Array(repeating: good, count: 17) }), "too many")
  }

  @Test func whatIsTooLargeIsRefusedBeforeItIsSent() {
    let ids = Array(repeating: BlockID(a: 0, b: 0, c: 0, d: 0), count: 1025)
    for request: Request in [
      .extend(SequenceID(1), blocks: ids), .acquire(SequenceID(1), chunk: 0, layer: 0, blocks: 0..<1025),
      .reserve(SequenceID(1), layer: -1, blocks: 0..<1), .seal(SequenceID(1), layer: 0, blocks: -1..<1),
      .release(SequenceID(1), layer: 0, blocks: SequencePlan.maxBlocks..<(SequencePlan.maxBlocks + 1)),
    ] {
      #expect(throws: FrameError.self) { try ClientMessage.request(request).frame() }
    }
  }
}
