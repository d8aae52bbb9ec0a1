import TierCore
import TierWire

/// A worker without a model: it seals blocks of SmolLM2's layout, then asks for them again and again.
final class ResidentReader {
  static let layers = 30
  static let blocks = 32
  private static let sequence = SequenceID(1)
  private static let timeoutMs = 10_000

  /// Microseconds, one entry a round.
  struct Timings {
    /// From the acquire being sent to the release having been sent. What the daemon does with a release is in the next
    /// round, for it answers only after that.
    var rounds: [Double] = []
    /// From the acquire being sent to its answer being read.
    var answers: [Double] = []

    mutating func append(_ more: Timings) {
      rounds += more.rounds
      answers += more.answers
    }
  }

  private let session: WorkerClient
  private let layout: BlockLayout
  private var staging = ArenaID(0)
  private var round = 0

  init(socketPath: String) throws(BenchFault) {
    // 192 KiB a block.
    guard let layout = BlockLayout(element: .bf16, kvHeads: 3, headDim: 64, blockTokens: 256) else {
      throw .failed("SmolLM2's layout is refused")
    }
    self.layout = layout
    session = try Self.asking { () throws(ResidencyError) in
      try WorkerClient.connect(path: socketPath, name: "tier-bench")
    }
  }

  /// Opens the sequence and seals all its blocks; returns when the store has taken them.
  func seal() throws(BenchFault) {
    try send(
      .open(
        SequencePlan(
          sequence: Self.sequence, layout: layout, layers: Self.layers, chunkBlocks: Self.blocks,
          totalBlocks: Self.blocks, stagingSlots: Self.blocks, ringSlots: 8, ordered: false)))
    guard case .admitted(_, let arena, _) = try receive() else { throw unexpected("admitted") }
    staging = arena
    let ids = (0..<Self.blocks).map { BlockID(a: 0x7469_6572, b: UInt64($0), c: 0, d: 0) }
    try send(.extend(Self.sequence, blocks: ids))
    guard case .extended(_, Self.blocks, 0) = try receive() else { throw unexpected("extended") }
    for layer in 0..<Self.layers { try seal(layer: layer) }
  }

  private func seal(layer: Int) throws(BenchFault) {
    try send(.reserve(Self.sequence, layer: layer, blocks: 0..<Self.blocks))
    guard case .reserved(_, layer, 0, let slots) = try receive() else { throw unexpected("reserved") }
    for (block, staged) in slots.enumerated() {
      guard case .slot(let slot) = staged else { throw unexpected("a slot for every block") }
      let bytes = try Self.asking { () throws(ResidencyError) in
        try session.stagingBytes(arena: staging, slot: slot)
      }
      bytes.initializeMemory(as: UInt8.self, repeating: UInt8(truncatingIfNeeded: layer &* 31 &+ block))
    }
    try send(.seal(Self.sequence, layer: layer, blocks: 0..<Self.blocks))
    for _ in 0..<Self.blocks {
      guard case .sealed(_, _, _, .accepted) = try receive() else { throw unexpected("sealed") }
    }
  }

  /// Acquires and releases the first `blocks` of one layer after another, as a prefill does.
  func rounds(_ count: Int, blocks: Int) throws(BenchFault) -> Timings {
    var timings = Timings()
    timings.rounds.reserveCapacity(count)
    timings.answers.reserveCapacity(count)
    for _ in 0..<count {
      let layer = round % Self.layers
      let start = Stopwatch.nowNs()
      try send(.acquire(Self.sequence, chunk: 1 + round / Self.layers, layer: layer, blocks: 0..<blocks))
      let answer = try receive()
      let answered = Stopwatch.nowNs()
      try send(.release(Self.sequence, layer: layer, blocks: 0..<blocks))
      let ended = Stopwatch.nowNs()
      try check(answer, layer: layer, blocks: blocks)
      timings.rounds.append(Double(ended - start) * 1e-3)
      timings.answers.append(Double(answered - start) * 1e-3)
      round += 1
    }
    return timings
  }

  /// A round that was not all hits is no measurement of hits.
  private func check(_ reply: Reply, layer: Int, blocks: Int) throws(BenchFault) {
    guard case .acquired(_, layer, 0, let residences) = reply, residences.count == blocks else {
      throw unexpected("acquired")
    }
    for residence in residences {
      guard case .resident(let slot, let generation) = residence, session.isCurrent(slot, generation: generation) else {
        throw unexpected("every block resident")
      }
    }
  }

  func close() throws(BenchFault) {
    try send(.close(Self.sequence))
    guard case .closed = try receive() else { throw unexpected("closed") }
  }

  func end() { session.end() }

  private func send(_ request: Request) throws(BenchFault) {
    try Self.asking { () throws(ResidencyError) in try session.send(request) }
  }

  private func receive() throws(BenchFault) -> Reply {
    let reply = try Self.asking { () throws(ResidencyError) in try session.receive(timeoutMs: Self.timeoutMs) }
    guard let reply else { throw .failed("tierd did not answer within \(Self.timeoutMs) ms") }
    return reply
  }

  private func unexpected(_ expected: String) -> BenchFault {
    .failed("tierd answered something else than '\(expected)'")
  }

  private static func asking<R>(_ body: () throws(ResidencyError) -> R) throws(BenchFault) -> R {
    do { return try body() } catch { throw .failed(error.message) }
  }
}
