public import TierCore

/// Reads a made-up prompt through any `ResidencySession`, as a worker does, and checks every byte it is shown.
/// Blocks derive from their keys, so readers in other threads and processes know what they must find.
public final class ConformanceReader {
  public struct Fault: Error, CustomStringConvertible {
    public let description: String
  }
  public struct Outcome: Sendable {
    public var used = 0
    public var lost = 0
    public var sealed = 0
    public var durable = 0
    public var duplicates = 0
    public var cachedBlocks = 0
  }

  let session: any ResidencySession
  let plan: SequencePlan
  private let family: UInt64
  private let timeoutMs: Int
  private var staging = ArenaID(0)
  var outcome = Outcome()
  /// What a block is read into: a device's memory cannot be looked at.
  private let bytes: UnsafeMutableRawBufferPointer

  public init(_ session: any ResidencySession, plan: SequencePlan, family: UInt64, timeoutMs: Int = 20_000) {
    self.session = session
    self.plan = plan
    self.family = family
    self.timeoutMs = timeoutMs
    bytes = .allocate(byteCount: plan.layout.payloadBytes, alignment: 64)
  }

  deinit { bytes.deallocate() }

  /// Reads the whole plan, once; every wait is bounded by the time-out.
  public func read() throws -> Outcome {
    try open()
    var first = 0
    var chunk = 0
    while first < plan.totalBlocks {
      let own = first..<min(first + plan.chunkBlocks, plan.totalBlocks)
      for layer in 0..<plan.layers { try step(chunk, layer, own) }
      first = own.upperBound
      chunk += 1
    }
    try session.send(.close(plan.sequence))
    while true { if case .closed = try next() { return outcome } }
  }

  func open() throws {
    try session.send(.open(plan))
    opening: while true {
      switch try next() {
      case .queued: continue
      case .admitted(_, let arena, _):
        staging = arena
        break opening
      case .refused(_, let refusal): throw Fault(description: refusal.message)
      case let other: throw Fault(description: "expected admitted, got \(other)")
      }
    }
    try session.send(.extend(plan.sequence, blocks: (0..<plan.totalBlocks).map(id)))
    guard case .extended(_, plan.totalBlocks, let cached) = try next() else {
      throw Fault(description: "expected extended")
    }
    outcome.cachedBlocks = cached
  }

  private func step(_ chunk: Int, _ layer: Int, _ own: Range<Int>) throws {
    try session.send(.reserve(plan.sequence, layer: layer, blocks: own))
    try session.send(.acquire(plan.sequence, chunk: chunk, layer: layer, blocks: 0..<own.lowerBound))
    var unanswered = own.lowerBound
    var isReserved = false
    var isAcquired = false
    while unanswered > 0 || !isReserved || !isAcquired {
      switch try next() {
      case .reserved(_, layer, own.lowerBound, let staged):
        isReserved = true
        try fill(layer, own, staged)
      case .acquired(_, layer, 0, let states):
        isAcquired = true
        for (block, state) in states.enumerated() {
          switch state {
          case .resident(let slot, let generation): try use(layer, block, slot, generation)
          case .moving: continue
          case .lost: outcome.lost += 1
          }
          unanswered -= 1
        }
      case .ready(_, layer, let block, let slot, let generation):
        try use(layer, block, slot, generation)
        unanswered -= 1
      case .lost(_, layer, _):
        outcome.lost += 1
        unanswered -= 1
      case let other: throw Fault(description: "unexpected \(other)")
      }
    }
  }

  func fill(_ layer: Int, _ own: Range<Int>, _ staged: [Staged]) throws {
    for (block, answer) in zip(own, staged) {
      guard case .slot(let slot) = answer else {
        outcome.duplicates += 1
        continue
      }
      let bytes = try session.stagingBytes(arena: staging, slot: slot)
      var random = pattern(layer, block)
      for offset in stride(from: 0, to: plan.layout.payloadBytes, by: 8) {
        bytes.storeBytes(of: random.next(), toByteOffset: offset, as: UInt64.self)
      }
      try session.send(.seal(plan.sequence, layer: layer, blocks: block..<block + 1))
    }
  }

  func use(_ layer: Int, _ block: Int, _ slot: SlotRef, _ generation: UInt64) throws {
    try session.read(slot, into: bytes)
    var random = pattern(layer, block)
    for offset in stride(from: 0, to: plan.layout.payloadBytes, by: 8) {
      guard bytes.load(fromByteOffset: offset, as: UInt64.self) == random.next() else {
        throw Fault(description: "wrong bytes in block \(block) of layer \(layer) at \(offset)")
      }
    }
    guard session.isCurrent(slot, generation: generation) else {
      throw Fault(description: "the generation of a leased slot changed")
    }
    outcome.used += 1
    try session.send(.release(plan.sequence, layer: layer, blocks: block..<block + 1))
  }

  private func pattern(_ layer: Int, _ block: Int) -> SeededRandom {
    SeededRandom(seed: family &* 1_000_003 &+ UInt64(layer) &* 8191 &+ UInt64(block) &* 131)
  }

  private func id(_ block: Int) -> BlockID { Self.id(block, family: family, plan: plan) }

  /// What a reader of this family names the block.
  public static func id(_ block: Int, family: UInt64, plan: SequencePlan) -> BlockID {
    BlockID(a: family, b: UInt64(block), c: UInt64(plan.layout.slotBytes), d: UInt64(plan.layers))
  }

  /// The next reply that is no notice of a seal.
  func next() throws -> Reply {
    while true {
      guard let reply = try session.receive(timeoutMs: timeoutMs) else {
        throw Fault(description: "no reply within \(timeoutMs) ms")
      }
      switch reply {
      case .sealed(_, _, _, let how):
        outcome.sealed += how == .accepted ? 1 : 0
      case .durable: outcome.durable += 1
      case .violation(let violation): throw Fault(description: violation.message)
      default: return reply
      }
    }
  }
}
