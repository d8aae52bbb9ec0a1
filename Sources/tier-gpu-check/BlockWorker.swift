import CUDADriver
import Glibc
import TierCore
import TierEngine
import TierTesting
import TierWire

/// A worker with blocks of its own: it bears them, and then asks for them again and again, layer by layer. Of each block a
/// few bytes say which one it is; some are read back from the device and compared. Used by one thread at a time.
final class BlockWorker: @unchecked Sendable {
  private let session: WorkerClient
  private let plan: SequencePlan
  private let family: UInt64
  private var staging = ArenaID(0)
  private var chunk = 1
  private var checked = 0

  private static let timeoutMs = 20_000
  private static let chunkBlocks = 8
  /// One block in so many is read back.
  private static let checksOneIn = 64

  init(
    socketPath: String, importer: CUDAImporter, family: UInt64, blockBytes: Int, layers: Int, blocks: Int,
    isPlanned: Bool = true
  ) throws {
    // One head of 256 tokens: K and V of half the block each.
    guard let layout = BlockLayout(element: .bf16, kvHeads: 1, headDim: blockBytes / 1024, blockTokens: 256) else {
      throw CheckFault("a block of \(blockBytes) bytes is refused")
    }
    self.family = family
    plan = SequencePlan(
      sequence: SequenceID(1), layout: layout, layers: layers, chunkBlocks: isPlanned ? Self.chunkBlocks : 0,
      totalBlocks: blocks,
      stagingSlots: Self.chunkBlocks, ringSlots: 16, ordered: false)
    session = try WorkerClient.connect(path: socketPath, name: "tier-gpu-check", importer: importer)
    try session.send(.open(plan))
    guard case .admitted(_, let arena, _) = try next() else { throw CheckFault("the store did not admit the worker") }
    staging = arena
    try session.send(
      .extend(plan.sequence, blocks: (0..<blocks).map { BlockID(a: family, b: UInt64($0), c: 0, d: 0) }))
    guard case .extended = try next() else { throw CheckFault("the store did not take the blocks' names") }
  }

  func end() { session.end() }

  private func mark(_ layer: Int, _ block: Int) -> UInt64 {
    family &* 0x9E37_79B9_7F4A_7C15 &+ UInt64(layer) << 32 &+ UInt64(block)
  }

  /// Writes all blocks, and returns when the store has taken them.
  func bear() throws {
    for first in stride(from: 0, to: plan.totalBlocks, by: Self.chunkBlocks) {
      let own = first..<min(first + Self.chunkBlocks, plan.totalBlocks)
      for layer in 0..<plan.layers { try bear(layer, own) }
    }
  }

  private func bear(_ layer: Int, _ own: Range<Int>) throws {
    try session.send(.reserve(plan.sequence, layer: layer, blocks: own))
    guard case .reserved(_, layer, _, let staged) = try next() else { throw CheckFault("expected staging slots") }
    for (block, answer) in zip(own, staged) {
      guard case .slot(let slot) = answer else { continue }
      let bytes = try session.stagingBytes(arena: staging, slot: slot)
      bytes.storeBytes(of: mark(layer, block), as: UInt64.self)
      bytes.storeBytes(of: ~mark(layer, block), toByteOffset: plan.layout.payloadBytes - 8, as: UInt64.self)
    }
    try session.send(.seal(plan.sequence, layer: layer, blocks: own))
    for _ in own {
      guard case .sealed(_, _, _, .accepted) = try next() else { throw CheckFault("a block was not taken") }
    }
  }

  /// Acquires every block of every layer and lets it go as soon as it is there.
  func pass() throws {
    for layer in 0..<plan.layers {
      var first = 0
      while first < plan.totalBlocks {
        let some = first..<min(first + SequencePlan.maxBlocksPerRequest, plan.totalBlocks)
        try acquire(layer, some)
        first = some.upperBound
      }
    }
    chunk += 1
  }

  private func acquire(_ layer: Int, _ blocks: Range<Int>) throws {
    try session.send(.acquire(plan.sequence, chunk: chunk, layer: layer, blocks: blocks))
    guard case .acquired(_, layer, _, let states) = try next() else { throw CheckFault("expected acquired") }
    var waiting = 0
    for (block, state) in zip(blocks, states) {
      switch state {
      case .resident(let slot, let generation): try use(layer, block, slot, generation)
      case .moving: waiting += 1
      case .lost: throw CheckFault("block \(block) of layer \(layer) is lost")
      }
    }
    for _ in 0..<waiting {
      guard case .ready(_, layer, let block, let slot, let generation) = try next() else {
        throw CheckFault("expected ready")
      }
      try use(layer, block, slot, generation)
    }
  }

  private func use(_ layer: Int, _ block: Int, _ slot: SlotRef, _ generation: UInt64) throws {
    checked += 1
    if checked % Self.checksOneIn == 0 { try check(layer, block, slot, generation) }
    try session.send(.release(plan.sequence, layer: layer, blocks: block..<block + 1))
  }

  private func check(_ layer: Int, _ block: Int, _ slot: SlotRef, _ generation: UInt64) throws {
    var found: UInt64 = 0
    try withUnsafeMutableBytes(of: &found) { try session.read(slot, into: $0) }
    guard found == mark(layer, block), session.isCurrent(slot, generation: generation) else {
      throw CheckFault("wrong bytes in block \(block) of layer \(layer)")
    }
  }

  /// Blocks that are not resident, one at a time, in a seeded order.
  func singleLatenciesUs(_ count: Int) throws -> [Double] {
    var latencies: [Double] = []
    var random = SeededRandom(seed: family)
    while latencies.count < count {
      let layer = Int.random(in: 0..<plan.layers, using: &random)
      let block = Int.random(in: 0..<plan.totalBlocks, using: &random)
      // Answered once the release before it has been dealt with.
      _ = try session.statistics()
      let began = MonotonicClock.nowNs()
      try session.send(.acquire(plan.sequence, chunk: chunk, layer: layer, blocks: block..<block + 1))
      guard case .acquired(_, layer, _, let states) = try next(), let state = states.first else {
        throw CheckFault("expected acquired")
      }
      if case .moving = state {
        guard case .ready(_, layer, block, let slot, let generation) = try next() else {
          throw CheckFault("expected ready")
        }
        latencies.append(Double(MonotonicClock.nowNs() - began) / 1000)
        try use(layer, block, slot, generation)
      } else {
        try session.send(.release(plan.sequence, layer: layer, blocks: block..<block + 1))
      }
    }
    return latencies
  }

  /// The next reply that tells nothing else than what was asked.
  private func next() throws -> Reply {
    while true {
      guard let reply = try session.receive(timeoutMs: Self.timeoutMs) else {
        throw CheckFault("no reply within \(Self.timeoutMs) ms")
      }
      switch reply {
      case .durable, .queued: continue
      case .refused(_, let refusal): throw CheckFault("refused: \(refusal.message)")
      case .violation(let violation): throw CheckFault("ended: \(violation.message)")
      default: return reply
      }
    }
  }
}
