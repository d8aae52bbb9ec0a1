import Testing
import TierCore

@testable import TierWire

@Suite struct RoundTripTests {
  @Test(arguments: 0..<Samples.requestKinds) func everyRequestComesBackAsItWas(kind: Int) throws {
    var r = Seeded(UInt64(kind))
    for _ in 0..<200 {
      let request = Samples.request(kind, &r)
      let frame = try ClientMessage.request(request).frame()
      #expect(frame.count <= ProtocolLimits.frameBytes)
      #expect(try ClientMessage(frame) == .request(request))
    }
  }

  @Test(arguments: 0..<Samples.replyKinds) func everyReplyComesBackAsItWas(kind: Int) throws {
    var r = Seeded(UInt64(100 + kind))
    for _ in 0..<200 {
      let reply = Samples.reply(kind, &r)
      let frames = try ServerMessage.replies([reply]).frames()
      #expect(frames.count == 1 && frames[0].count <= ProtocolLimits.frameBytes)
      #expect(try ServerMessage(frames[0]) == .replies([reply]))
    }
  }

  @Test func everyOtherMessageComesBackAsItWas() throws {
    var r = Seeded(200)
    for _ in 0..<1000 {
      let client = Samples.clientMessage(&r)
      #expect(try ClientMessage(client.frame()) == client)
      let server = Samples.serverMessage(&r)
      #expect(try ServerMessage(server.frames()[0]) == server)
    }
  }

  @Test func repliesToManyBlocksShareFramesAndKeepTheirOrder() throws {
    var r = Seeded(300)
    for _ in 0..<200 {
      var replies: [Reply] = []
      let s = SequenceID(7)
      for _ in 0..<Int.random(in: 1...12, using: &r) {
        let first = Int.random(in: 0...9, using: &r)
        let kind = Int.random(in: 0..<5, using: &r)
        for block in first..<(first + Int.random(in: 1...40, using: &r)) {
          switch kind {
          case 0: replies.append(.sealed(s, layer: 1, block: block, .accepted))
          case 1: replies.append(.durable(s, layer: 1, block: block))
          case 2: replies.append(.lost(s, layer: 1, block: block))
          case 3: replies.append(.ready(s, layer: 1, block: block, Samples.slot(&r), generation: r.next()))
          default: replies.append(.sealed(s, layer: 1, block: block, block % 3 == 0 ? .duplicate : .accepted))
          }
        }
      }
      let frames = try ServerMessage.replies(replies).frames()
      var back: [Reply] = []
      for frame in frames {
        guard case .replies(let more) = try ServerMessage(frame) else { continue }
        back += more
      }
      #expect(back == replies)
    }
  }

  @Test func aRunOfBlocksIsOneFrame() throws {
    let sealed = (0..<3000).map { Reply.sealed(SequenceID(1), layer: 0, block: $0, .accepted) }
    #expect(try ServerMessage.replies(sealed).frames().count == 3)
    let jump = [Reply.durable(SequenceID(1), layer: 0, block: 4), .durable(SequenceID(1), layer: 0, block: 6)]
    #expect(try ServerMessage.replies(jump).frames().count == 2)
  }

  @Test func theLargestMessagesFitAFrame() throws {
    let most = ProtocolLimits.blocksPerRequest
    let id = BlockID(a: .max, b: .max, c: .max, d: .max)
    let extend = Request.extend(SequenceID(.max), blocks: Array(repeating: id, count: most))
    #expect(try ClientMessage.request(extend).frame().count <= ProtocolLimits.frameBytes)
    let move = TracedMove(
      link: .diskToHost, mover: 63, sequence: SequenceID(.max), layer: 1023, block: SequencePlan.maxBlocks - 1,
      bytes: BlockLayout.maxSlotBytes, beganNs: .max / 2, endedNs: .max, outcome: .failed)
    let trace = MoveTrace(
      records: Array(repeating: .move(move), count: MoveTrace.maxRecords), dropped: .max, left: .max)
    #expect(try ServerMessage.trace(trace).frames()[0].count <= ProtocolLimits.frameBytes)
    let resident = Residence.resident(SlotRef(arena: ArenaID(.max), index: .max), generation: .max)
    let states = (0..<most).map { $0 % 2 == 0 ? resident : .moving }
    for residences in [states, Array(repeating: resident, count: most)] {
      let reply = Reply.acquired(SequenceID(.max), layer: 1023, first: 0, residences)
      #expect(try ServerMessage.replies([reply]).frames()[0].count <= ProtocolLimits.frameBytes / 2)
    }
  }

  @Test func thirtyTwoResidentBlocksTakeFewBytes() throws {
    let residences = (0..<32).map { Residence.resident(SlotRef(arena: ArenaID(1), index: $0), generation: 1) }
    let reply = Reply.acquired(SequenceID(1), layer: 3, first: 0, residences)
    #expect(try ServerMessage.replies([reply]).frames()[0].count < 600)
  }
}
