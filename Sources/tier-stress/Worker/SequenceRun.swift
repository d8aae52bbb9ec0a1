import Glibc
import TierCore
import TierTesting
import TierWire

/// One sequence of a worker, from `open` to its end: each block it is to write is written, each byte it is shown verified,
/// and what the store had promised to keep is asked for.
final class SequenceRun {
  let client: WorkerClient
  let prompt: StressPrompt
  let plan: SequencePlan
  let manner: Manner
  let report: Report
  private(set) var promises: Promises
  private var staging = ArenaID(0)

  /// A store that answers nothing for as long hangs.
  private static let answerMsMax = 60_000

  init(
    _ client: WorkerClient, _ prompt: StressPrompt, _ plan: SequencePlan, _ manner: Manner, _ report: Report,
    _ promises: Promises
  ) {
    self.client = client
    self.prompt = prompt
    self.plan = plan
    self.manner = manner
    self.report = report
    self.promises = promises
  }

  enum Outcome {
    case ended
    case refused
    /// It left in the middle, without a word.
    case vanished
  }

  func run() throws -> Outcome {
    guard try open() else { return .refused }
    var (first, chunk, steps) = (0, 0, 0)
    while first < prompt.blocks {
      let own = first..<min(first + manner.chunkBlocks, prompt.blocks)
      for layer in 0..<plan.layers {
        steps += 1
        if steps == manner.vanishesAtStep { return .vanished }
        try step(chunk, layer, own, lingers: steps == manner.lingersAtStep)
        if report.isDue { try report.tell() }
      }
      first = own.upperBound
      chunk += 1
      promises.reached = first
    }
    for round in 0..<manner.rereadings { try reread(chunk + round) }
    try client.send(.close(plan.sequence))
    while true { if case .closed = try next() { return .ended } }
  }

  /// False where the daemon refuses it, with figures.
  private func open() throws -> Bool {
    try client.send(.open(plan))
    admission: while true {
      switch try next() {
      case .queued: continue
      case .admitted(_, let arena, _):
        staging = arena
        break admission
      case .refused: return false
      case let other: throw unexpected(other, "admitted")
      }
    }
    let ids = (0..<prompt.blocks).map(prompt.id)
    var named = 0
    while named < ids.count {
      let part = ids[named..<min(named + manner.idsPerExtend, ids.count)]
      try client.send(.extend(plan.sequence, blocks: Array(part)))
      named = part.endIndex
      let answer = try next()
      guard case .extended(_, named, _) = answer else { throw unexpected(answer, "extended") }
    }
    return true
  }

  /// One layer of one chunk: fills and seals its own blocks, and reads those before them that are in reach.
  private func step(_ chunk: Int, _ layer: Int, _ own: Range<Int>, lingers: Bool) throws {
    let past = prompt.model.firstInReach(layer, before: own.lowerBound)..<own.lowerBound
    try client.send(.reserve(plan.sequence, layer: layer, blocks: own))
    var isReserved = false
    let missing = try read(chunk, layer, past, lingers: lingers) { reply in
      guard case .reserved(_, layer, own.lowerBound, let staged) = reply, !isReserved else { return false }
      isReserved = true
      try self.fill(layer, own, staged, lingers: lingers)
      return true
    }
    while !isReserved {
      let answer = try next()
      guard case .reserved(_, layer, own.lowerBound, let staged) = answer else { throw unexpected(answer, "reserved") }
      isReserved = true
      try fill(layer, own, staged, lingers: lingers)
    }
    // Only now, with every lease let go: what waits for staging slots must hold nothing.
    for block in missing { try rewrite(layer, block) }
  }

  /// Reads everything in reach again, as decoding does: in order, or, without a plan, in any.
  private func reread(_ chunk: Int) throws {
    for layer in 0..<plan.layers {
      let first = prompt.model.firstInReach(layer, before: prompt.blocks)
      let missing = try read(chunk, layer, first..<prompt.blocks, lingers: false) { _ in false }
      for block in missing { try rewrite(layer, block) }
      if report.isDue { try report.tell() }
    }
  }

  /// Acquires, verifies and releases; answers what could not be had. Other replies are `other`'s to take.
  private func read(
    _ chunk: Int, _ layer: Int, _ blocks: Range<Int>, lingers: Bool, other: (Reply) throws -> Bool
  ) throws -> [Int] {
    guard !blocks.isEmpty else { return [] }
    try client.send(.acquire(plan.sequence, chunk: chunk, layer: layer, blocks: blocks))
    var unanswered = blocks.count
    var (isAcquired, lingersYet) = (false, lingers)
    var missing: [Int] = []
    func use(_ block: Int, _ slot: SlotRef, _ generation: UInt64) throws {
      try verify(layer, block, slot, generation)
      if lingersYet { manner.linger() }
      lingersYet = false
      try client.send(.release(plan.sequence, layer: layer, blocks: block..<block + 1))
      unanswered -= 1
    }
    func lose(_ block: Int) {
      if promises.isHeld(layer, block) { report.tally.lostBlocks += 1 } else { report.tally.missedBlocks += 1 }
      promises.hold(layer, block, false)
      missing.append(block)
      unanswered -= 1
    }
    while unanswered > 0 || !isAcquired {
      manner.dawdle()
      switch try next() {
      case .acquired(_, layer, blocks.lowerBound, let states):
        isAcquired = true
        for (block, state) in zip(blocks, states) {
          switch state {
          case .resident(let slot, let generation): try use(block, slot, generation)
          case .moving: continue
          case .lost: lose(block)
          }
        }
      case .ready(_, layer, let block, let slot, let generation): try use(block, slot, generation)
      case .lost(_, layer, let block): lose(block)
      case let reply: guard try other(reply) else { throw unexpected(reply, "acquired, ready or lost") }
      }
    }
    return missing
  }

  private func rewrite(_ layer: Int, _ block: Int) throws {
    try client.send(.reserve(plan.sequence, layer: layer, blocks: block..<block + 1))
    let answer = try next()
    guard case .reserved(_, layer, block, let staged) = answer else { throw unexpected(answer, "reserved") }
    try fill(layer, block..<block + 1, staged, lingers: false)
  }

  private func fill(_ layer: Int, _ blocks: Range<Int>, _ staged: [Staged], lingers: Bool) throws {
    var isFirst = true
    for (block, answer) in zip(blocks, staged) {
      guard case .slot(let slot) = answer else {
        promises.hold(layer, block, true)
        continue
      }
      promises.missed(layer, block, prompt, report)
      let bytes = try client.stagingBytes(arena: staging, slot: slot)
      var pattern = BlockPattern(prompt.id(block), layer: layer)
      pattern.fill(UnsafeMutableRawBufferPointer(rebasing: bytes[..<plan.layout.payloadBytes]))
      if lingers, isFirst { manner.linger() }
      isFirst = false
      try client.send(.seal(plan.sequence, layer: layer, blocks: block..<block + 1))
      report.tally.blocksWritten += 1
    }
  }

  private func verify(_ layer: Int, _ block: Int, _ slot: SlotRef, _ generation: UInt64) throws {
    let bytes = try client.bytes(of: slot)
    var pattern = BlockPattern(prompt.id(block), layer: report.falsifies() ? layer + 1 : layer)
    let payload = UnsafeRawBufferPointer(rebasing: bytes[..<plan.layout.payloadBytes])
    let difference = pattern.firstDifference(in: payload)
    guard client.isCurrent(slot, generation: generation) else {
      throw StressFault.failed("the generation of a leased slot changed: block \(block) of layer \(layer)")
    }
    promises.hold(layer, block, true)
    report.tally.blocksRead += 1
    report.tally.bytesVerified += payload.count
    guard let difference else { return }
    report.tally.wrongBlocks += 1
    try report.wrong("block \(block) of layer \(layer) of model \(prompt.model.number), byte \(difference)")
  }

  /// The next reply that is no notice of a seal.
  private func next() throws -> Reply {
    while true {
      guard let reply = try client.receive(timeoutMs: Self.answerMsMax) else {
        throw StressFault.failed("the daemon answered nothing for \(Self.answerMsMax / 1000) s")
      }
      switch reply {
      case .sealed(_, let layer, let block, let outcome):
        promises.hold(layer, block, outcome != .dropped)
        if outcome == .dropped { report.tally.droppedSeals += 1 }
      case .durable(_, let layer, let block): promises.isDurable(layer, block)
      case .violation(let violation): throw StressFault.failed("a session was ended: \(violation.message)")
      default: return reply
      }
    }
  }

  private func unexpected(_ reply: Reply, _ expected: String) -> StressFault {
    .failed("the daemon answered \(reply) where \(expected) was due")
  }
}
