import TierCore

extension Reply {
  /// The replies in one frame. `body` is one of those that hold replies.
  static func decode(_ body: WireServerFrame.OneOf_Body) throws(FrameError) -> [Reply] {
    switch body {
    case .admitted(let m):
      try m.requireOnlyKnownFields()
      return [
        .admitted(
          SequenceID(m.sequence), staging: ArenaID(m.staging),
          stagingSlots: try Field.checked(m.stagingSlots, "staging slots", atMost: SequencePlan.maxStagingSlots))
      ]
    case .queued(let m):
      try m.requireOnlyKnownFields()
      return [.queued(SequenceID(m.sequence), ahead: Int(m.ahead))]
    case .refused(let m): return [.refused(SequenceID(m.sequence), try Refusal(m))]
    case .extended(let m): return [try extended(m)]
    case .reserved(let m): return [try reserved(m)]
    case .sealed(let m): return try sealed(m)
    case .durable(let m): return try each(m) { .durable($0, layer: $1, block: $2) }
    case .acquired(let m): return [try acquired(m)]
    case .ready(let m): return try ready(m)
    case .lost(let m): return try each(m) { .lost($0, layer: $1, block: $2) }
    case .closed(let m):
      try m.requireOnlyKnownFields()
      return [.closed(SequenceID(m.sequence))]
    case .violated(let m): return [.violation(try Violation(m))]
    case .welcome, .failure, .arenas, .statistics, .trace: throw .malformed("it is no reply")
    }
  }

  private static func extended(_ m: WireExtended) throws(FrameError) -> Reply {
    try m.requireOnlyKnownFields()
    let named = try Field.checked(m.named, "named blocks", atMost: SequencePlan.maxBlocks)
    return .extended(
      SequenceID(m.sequence), named: named,
      cachedBlocks: try Field.checked(m.cachedBlocks, "cached blocks", atMost: SequencePlan.maxBlocks))
  }

  private static func reserved(_ m: WireReserved) throws(FrameError) -> Reply {
    try m.requireOnlyKnownFields()
    var staged: [Staged] = []
    var used = 0
    try BlockRuns.forEach(m.runs, states: BlockState.slot...BlockState.duplicate) { state throws(FrameError) in
      guard state == BlockState.slot else { return staged.append(.duplicate) }
      guard used < m.slots.count else { throw .malformed("fewer slots than blocks that have one") }
      let slot = try Field.checked(m.slots[used], "staging slot", atMost: SequencePlan.maxStagingSlots - 1)
      staged.append(.slot(UInt32(slot)))
      used += 1
    }
    guard used == m.slots.count else { throw .malformed("more slots than blocks that have one") }
    return .reserved(
      SequenceID(m.sequence), layer: try Field.layer(m.layer), first: try Field.first(m.first, count: staged.count),
      staged)
  }

  private static func acquired(_ m: WireAcquired) throws(FrameError) -> Reply {
    try m.requireOnlyKnownFields()
    guard m.slots.count == m.generations.count else { throw .malformed("slots and generations differ in number") }
    var residences: [Residence] = []
    residences.reserveCapacity(min(m.slots.count, ProtocolLimits.blocksPerRequest))
    var used = 0
    try BlockRuns.forEach(m.runs, states: BlockState.resident...BlockState.lost) { state throws(FrameError) in
      switch state {
      case BlockState.resident:
        guard used < m.slots.count else { throw .malformed("fewer slots than resident blocks") }
        residences.append(.resident(BlockRuns.slot(m.slots[used]), generation: m.generations[used]))
        used += 1
      case BlockState.moving: residences.append(.moving)
      default: residences.append(.lost)
      }
    }
    guard used == m.slots.count else { throw .malformed("more slots than resident blocks") }
    return .acquired(
      SequenceID(m.sequence), layer: try Field.layer(m.layer), first: try Field.first(m.first, count: residences.count),
      residences)
  }

  private static func ready(_ m: WireReady) throws(FrameError) -> [Reply] {
    try m.requireOnlyKnownFields()
    guard m.slots.count == m.generations.count else { throw .malformed("slots and generations differ in number") }
    guard !m.slots.isEmpty else { throw .malformed("a run of no blocks") }
    let layer = try Field.layer(m.layer)
    let blocks = try Field.range(first: m.first, count: m.slots.count)
    return zip(blocks, zip(m.slots, m.generations)).map { block, lease in
      .ready(SequenceID(m.sequence), layer: layer, block: block, BlockRuns.slot(lease.0), generation: lease.1)
    }
  }

  private static func sealed(_ m: WireSealed) throws(FrameError) -> [Reply] {
    try m.requireOnlyKnownFields()
    let layer = try Field.layer(m.layer)
    let outcome: SealOutcome
    switch m.outcome {
    case .accepted: outcome = .accepted
    case .duplicate: outcome = .duplicate
    case .dropped: outcome = .dropped
    case .unspecified, .UNRECOGNIZED: throw .malformed("a seal with no known outcome")
    }
    return try Field.run(first: m.first, count: m.count).map {
      .sealed(SequenceID(m.sequence), layer: layer, block: $0, outcome)
    }
  }

  private static func each(
    _ m: WireBlockRange, _ reply: (SequenceID, Int, Int) -> Reply
  ) throws(FrameError) -> [Reply] {
    let at = try BlockAddress(m)
    guard !at.blocks.isEmpty else { throw .malformed("a run of no blocks") }
    return at.blocks.map { reply(at.sequence, at.layer, $0) }
  }
}
