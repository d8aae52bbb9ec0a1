import TierCore

@testable import TierWire

/// SplitMix64: the same numbers from the same seed, everywhere.
struct Seeded: RandomNumberGenerator {
  private var state: UInt64

  init(_ seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// Mostly small, sometimes at the limit: where encodings change their length.
  mutating func number(upTo limit: Int) -> Int {
    switch Int.random(in: 0..<8, using: &self) {
    case 0: 0
    case 1: limit
    case 2, 3: Int.random(in: 0...limit, using: &self)
    default: Int.random(in: 0...min(limit, 300), using: &self)
    }
  }
}

/// Any message within the protocol's limits.
enum Samples {
  static func sequence(_ r: inout Seeded) -> SequenceID { SequenceID(UInt32(r.number(upTo: Int(UInt32.max)))) }

  static func layer(_ r: inout Seeded) -> Int { r.number(upTo: SequencePlan.maxLayers - 1) }

  static func blocks(_ r: inout Seeded, atLeast: Int = 0) -> Range<Int> {
    let count = max(atLeast, r.number(upTo: ProtocolLimits.blocksPerRequest))
    let first = r.number(upTo: SequencePlan.maxBlocks - count)
    return first..<(first + count)
  }

  static func blockID(_ r: inout Seeded) -> BlockID { BlockID(a: r.next(), b: r.next(), c: r.next(), d: r.next()) }

  static func slot(_ r: inout Seeded) -> SlotRef {
    SlotRef(arena: ArenaID(UInt32(truncatingIfNeeded: r.next())), index: UInt32(r.number(upTo: Int(UInt32.max))))
  }

  static func plan(_ r: inout Seeded) -> SequencePlan {
    let layout = BlockLayout(
      element: ElementType.allCases.randomElement(using: &r)!, kvHeads: Int.random(in: 1...16, using: &r),
      headDim: Int.random(in: 1...256, using: &r), blockTokens: Int.random(in: 1...512, using: &r))!
    func reach(_ r: inout Seeded) -> LayerReach {
      let tokens = r.number(upTo: Int(Int32.max))
      return [.full, .sliding(tokens: tokens), .chunked(tokens: tokens)].randomElement(using: &r)!
    }
    return SequencePlan(
      sequence: sequence(&r), layout: layout, layers: r.number(upTo: SequencePlan.maxLayers),
      chunkBlocks: r.number(upTo: SequencePlan.maxBlocks), totalBlocks: r.number(upTo: SequencePlan.maxBlocks),
      stagingSlots: r.number(upTo: SequencePlan.maxStagingSlots), ringSlots: r.number(upTo: SequencePlan.maxBlocks),
      ordered: Bool.random(using: &r), reach: (0..<Int.random(in: 0...3, using: &r)).map { _ in reach(&r) })
  }

  static let requestKinds = 7

  static func request(_ kind: Int, _ r: inout Seeded) -> Request {
    let s = sequence(&r)
    switch kind {
    case 0: return .open(plan(&r))
    case 1:
      let count = r.number(upTo: ProtocolLimits.blocksPerRequest)
      return .extend(s, blocks: (0..<count).map { _ in blockID(&r) })
    case 2: return .reserve(s, layer: layer(&r), blocks: blocks(&r))
    case 3: return .seal(s, layer: layer(&r), blocks: blocks(&r))
    case 4: return .acquire(s, chunk: r.number(upTo: Int(Int32.max)), layer: layer(&r), blocks: blocks(&r))
    case 5: return .release(s, layer: layer(&r), blocks: blocks(&r))
    default: return .close(s)
    }
  }

  static func refusal(_ r: inout Seeded) -> Refusal {
    switch Int.random(in: 0..<4, using: &r) {
    case 0:
      .stepExceedsBudget(
        tier: Tier.allCases.randomElement(using: &r)!, neededBytes: r.number(upTo: .max),
        budgetBytes: r.number(upTo: .max))
    case 1: .sequenceExceedsBudgets(neededBytes: r.number(upTo: .max), budgetBytes: r.number(upTo: .max))
    case 2: .queueFull(limit: r.number(upTo: .max))
    default: .draining
    }
  }

  static func violation(_ r: inout Seeded) -> Violation {
    let layer = r.number(upTo: .max)
    let block = r.number(upTo: .max / 2)
    switch Int.random(in: 0..<12, using: &r) {
    case 0: return .unknownSequence(sequence(&r))
    case 1: return .duplicateSequence(sequence(&r))
    case 2: return .notAdmitted(sequence(&r))
    case 3: return .badPlan("no layers, but \(r.number(upTo: 99)) blocks: ü")
    case 4: return .tooManyBlocks(named: layer, limit: block)
    case 5: return .rangeOutside(layer: layer, blocks: block..<(block + r.number(upTo: .max / 2)))
    case 6: return .notReserved(layer: layer, block: block)
    case 7: return .alreadyReserved(layer: layer, block: block)
    case 8: return .notLeased(layer: layer, block: block)
    case 9: return .alreadyAcquired(layer: layer, block: block)
    case 10: return .tooManyOutstanding(limit: block)
    default: return .heldTooLong(ms: block)
    }
  }

  static let replyKinds = 12

  static func reply(_ kind: Int, _ r: inout Seeded) -> Reply {
    let s = sequence(&r)
    let one = blocks(&r, atLeast: 1).lowerBound
    switch kind {
    case 0: return .admitted(s, staging: ArenaID(UInt32(r.number(upTo: 99))), stagingSlots: r.number(upTo: 1 << 14))
    case 1: return .queued(s, ahead: r.number(upTo: Int(UInt32.max)))
    case 2: return .refused(s, refusal(&r))
    case 3:
      return .extended(
        s, named: r.number(upTo: SequencePlan.maxBlocks), cachedBlocks: r.number(upTo: SequencePlan.maxBlocks))
    case 4:
      let at = blocks(&r)
      let staged: [Staged] = at.map { _ in
        Bool.random(using: &r) ? .duplicate : .slot(UInt32(r.number(upTo: SequencePlan.maxStagingSlots - 1)))
      }
      return .reserved(s, layer: layer(&r), first: at.lowerBound, staged)
    case 5:
      let outcome = [SealOutcome.accepted, .duplicate, .dropped].randomElement(using: &r)!
      return .sealed(s, layer: layer(&r), block: one, outcome)
    case 6: return .durable(s, layer: layer(&r), block: one)
    case 7:
      let at = blocks(&r)
      return .acquired(s, layer: layer(&r), first: at.lowerBound, at.map { _ in residence(&r) })
    case 8: return .ready(s, layer: layer(&r), block: one, slot(&r), generation: r.next())
    case 9: return .lost(s, layer: layer(&r), block: one)
    case 10: return .closed(s)
    default: return .violation(violation(&r))
    }
  }

  private static func residence(_ r: inout Seeded) -> Residence {
    switch Int.random(in: 0..<5, using: &r) {
    case 0: .moving
    case 1: .lost
    default: .resident(slot(&r), generation: r.next())
    }
  }

  static func statistics(_ r: inout Seeded) -> StoreStatistics {
    var s = StoreStatistics()
    for path in [\StoreStatistics.device, \.host, \.disk] {
      s[keyPath: path].budgetBytes = r.number(upTo: .max)
      s[keyPath: path].usedBytes = r.number(upTo: .max)
      s[keyPath: path].peakBytes = r.number(upTo: .max)
    }
    for path in [
      \StoreStatistics.bornOnDevice, \.bornOnHost, \.deviceToHost, \.hostToDevice, \.hostToDisk, \.diskToHost,
    ] {
      s[keyPath: path].blocks = r.number(upTo: .max)
      s[keyPath: path].bytes = r.number(upTo: .max)
    }
    for path in [\StoreStatistics.hits, \.misses, \.lost, \.spillOriginalBytes, \.spillStoredBytes] {
      s[keyPath: path] = r.number(upTo: .max)
    }
    return s
  }

  static func trace(_ r: inout Seeded) -> MoveTrace {
    let count = Int.random(in: 0...8, using: &r)
    return MoveTrace(
      records: (0..<count).map { _ in record(&r) }, dropped: r.number(upTo: .max), left: r.number(upTo: .max))
  }

  static func record(_ r: inout Seeded) -> TraceRecord {
    let began = UInt64(r.number(upTo: .max))
    guard Int.random(in: 0..<8, using: &r) > 0 else { return .statistics(atNs: began) }
    return .move(
      TracedMove(
        link: MoveLink.allCases.randomElement(using: &r)!, mover: r.number(upTo: TracedMove.maxMovers - 1),
        sequence: sequence(&r), layer: layer(&r), block: r.number(upTo: SequencePlan.maxBlocks - 1),
        bytes: r.number(upTo: BlockLayout.maxSlotBytes), beganNs: began, endedNs: began + UInt64(r.number(upTo: .max)),
        outcome: TracedOutcome.allCases.randomElement(using: &r)!))
  }

  static func arena(_ r: inout Seeded) -> ArenaDescription {
    let role = ArenaAnnouncement.Role.allCases.randomElement(using: &r)!
    return ArenaDescription(
      arena: ArenaID(UInt32(r.number(upTo: Int(UInt32.max)))), tier: Tier.allCases.randomElement(using: &r)!,
      role: role, slotBytes: role == .generations ? 8 : 1 + r.number(upTo: BlockLayout.maxSlotBytes - 1),
      slotCount: 1 + r.number(upTo: Int(UInt32.max) - 1), memory: .file)
  }

  static func deviceArena(_ r: inout Seeded) -> ArenaDescription {
    let bytes = 1 + r.number(upTo: BlockLayout.maxSlotBytes - 1)
    let count = 1 + r.number(upTo: (1 << 46) / bytes - 1) % Int(UInt32.max)
    return ArenaDescription(
      arena: ArenaID(UInt32(r.number(upTo: Int(UInt32.max)))), tier: .device, role: .data, slotBytes: bytes,
      slotCount: count,
      memory: .cuda(
        device: (0..<16).map { _ in UInt8(r.number(upTo: 255)) },
        allocationBytes: bytes * count + r.number(upTo: (1 << 46) - bytes * count)))
  }

  static func clientMessage(_ r: inout Seeded) -> ClientMessage {
    switch Int.random(in: 0..<(requestKinds + 3), using: &r) {
    case 0:
      let min = UInt32.random(in: 1...5, using: &r)
      return .hello(Hello(minVersion: min, maxVersion: min + 3, clientName: "worker \(r.number(upTo: 99)) ✓"))
    case 1: return .statisticsQuery
    case 2: return .traceQuery
    case let kind: return .request(request(kind - 3, &r))
    }
  }

  static func serverMessage(_ r: inout Seeded) -> ServerMessage {
    switch Int.random(in: 0..<(replyKinds + 5), using: &r) {
    case 0: .welcome(Welcome(version: 1, store: StoreInstance(high: r.next(), low: r.next())))
    case 1: .failure(Failure(Failure.Kind.allCases.randomElement(using: &r)!, "why \(r.number(upTo: 99))"))
    case 2:
      .arenas((0..<Int.random(in: 1...16, using: &r)).map { _ in Bool.random(using: &r) ? arena(&r) : deviceArena(&r) })
    case 3: .statistics(statistics(&r))
    case 4: .trace(trace(&r))
    case let kind: .replies([reply(kind - 5, &r)])
    }
  }
}

extension ClientMessage {
  init(_ frame: [UInt8]) throws(FrameError) {
    self = try frame.withFrame { f throws(FrameError) in try Self(frame: f) }
  }
}

extension ServerMessage {
  init(_ frame: [UInt8]) throws(FrameError) {
    self = try frame.withFrame { f throws(FrameError) in try Self(frame: f) }
  }
}

extension [UInt8] {
  fileprivate func withFrame<R>(_ body: (UnsafeRawBufferPointer) throws(FrameError) -> R) throws(FrameError) -> R {
    let result: Result<R, FrameError> = withUnsafeBytes { bytes in
      do throws(FrameError) { return .success(try body(bytes)) } catch { return .failure(error) }
    }
    return try result.get()
  }
}
