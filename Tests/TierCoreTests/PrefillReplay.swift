@testable import TierCore

/// A worker's prefill against a core whose moves all end at once, in order: what the plan makes of each step, without
/// threads, links or disks.
struct PrefillReplay {
  static let slotBytes = 4096
  let layers: Int
  let chunks: Int
  let core: ResidencyCore
  private let session = SessionID(1)
  private let sequence = SequenceID(1)
  private let layout = BlockLayout(element: .bf16, kvHeads: 1, headDim: 64, blockTokens: 16)!
  private var pending: [Command] = []
  private var resident: [Int] = []
  private(set) var lost = 0

  init(layers: Int, chunks: Int, deviceSlots: Int, hostSlots: Int, ringSlots: Int) {
    self.layers = layers
    self.chunks = chunks
    core = ResidencyCore(
      CoreConfiguration(
        deviceBytes: deviceSlots * Self.slotBytes, hostBytes: hostSlots * Self.slotBytes, diskBytes: 1 << 30))
    precondition(layout.slotBytes == Self.slotBytes)
    feed(.connected(session, TenantID(0)))
    request(
      .open(
        SequencePlan(
          sequence: sequence, layout: layout, layers: layers, chunkBlocks: 1, totalBlocks: chunks, stagingSlots: 2,
          ringSlots: ringSlots, ordered: true)))
    request(.extend(sequence, blocks: (0..<chunks).map { BlockID(a: 1, b: 2, c: 3, d: UInt64($0)) }))
  }

  /// Slots for blocks that stay, beside rings, staging and transit.
  func keptSlots(_ tier: Tier) -> Int { core[tier].keepBytes / Self.slotBytes }

  mutating func run() -> StoreStatistics {
    for chunk in 0..<chunks {
      for layer in 0..<layers {
        if chunk > 0 { request(.acquire(sequence, chunk: chunk, layer: layer, blocks: 0..<chunk)) }
        request(.reserve(sequence, layer: layer, blocks: chunk..<chunk + 1))
        request(.seal(sequence, layer: layer, blocks: chunk..<chunk + 1))
        while let block = resident.popLast() {
          request(.release(sequence, layer: layer, blocks: block..<block + 1))
        }
        precondition(core.brokenInvariant() == nil)
      }
    }
    return core.statistics
  }

  private mutating func request(_ request: Request) { feed(.request(session, request)) }

  private mutating func feed(_ event: Event) {
    take(core.handle(event))
    while !pending.isEmpty {
      let command = pending.removeFirst()
      if let (move, outcome) = Self.carriedOut(command) { take(core.handle(.moved(move, outcome))) }
    }
  }

  private mutating func take(_ commands: [Command]) {
    pending += commands
    for case .reply(_, let reply) in commands {
      switch reply {
      case .acquired(_, _, let first, let answers):
        for (index, answer) in answers.enumerated() {
          if case .resident = answer { resident.append(first + index) }
          if case .lost = answer { lost += 1 }
        }
      case .ready(_, _, let block, _, _): resident.append(block)
      case .lost: lost += 1
      default: break
      }
    }
  }

  private static func carriedOut(_ command: Command) -> (MoveID, MoveOutcome)? {
    switch command {
    case .ingest(let move, _, _, _): (move, .ingested(checksum: 1))
    case .copy(let move, _, _, _): (move, .copied)
    case .write(let move, _, _, _, _): (move, .durable(storedBytes: slotBytes))
    case .read(let move, _, _, _, _): (move, .verified)
    default: nil
    }
  }
}
