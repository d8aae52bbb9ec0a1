import TierCore

/// One layer of one chunk, as its blocks come: staging slots for its own, leases for the past ones.
struct LayerStep {
  enum StagingState {
    case none
    case asked
    case granted([Staged])
  }

  /// A past block. `waiting`: not leased, whether asked for or not.
  enum PastState {
    case waiting
    case leased(SlotRef, generation: UInt64)
    case used
  }

  let layer: Int
  /// Own blocks that this chunk fills.
  let ownFull: Range<Int>
  /// Blocks before them that the layer reads.
  let pastBlocks: Range<Int>
  /// Blocks before those, which the worker has itself, until they are handed out.
  var local: [LeasedBlock] = []
  var staging: StagingState
  /// Whether leases for all past blocks were asked for.
  var isAcquired = false
  /// By block of the sequence; those out of reach count as used.
  private(set) var past: [PastState]
  /// Leased and not handed out: in the order they became so.
  private var arrivals: [Int] = []
  private var taken = 0
  private(set) var waitingCount: Int
  private(set) var usedCount: Int
  private(set) var lost: [Int] = []
  /// Blocks asked for and not answered yet.
  private(set) var outstandingCount = 0
  /// First block not handed out, in index order.
  private var nextInOrder: Int

  /// - Parameter pastBlocks: what the layer reads of the blocks before the chunk's own.
  init(layer: Int, ownFull: Range<Int>, pastBlocks: Range<Int>) {
    self.layer = layer
    self.ownFull = ownFull
    self.pastBlocks = pastBlocks
    staging = ownFull.isEmpty ? .granted([]) : .none
    past = Array(repeating: .used, count: pastBlocks.lowerBound) + Array(repeating: .waiting, count: pastBlocks.count)
    waitingCount = pastBlocks.count
    usedCount = pastBlocks.lowerBound
    nextInOrder = pastBlocks.lowerBound
  }

  var isStagingGranted: Bool {
    if case .granted = staging { true } else { false }
  }

  var isAllUsed: Bool { usedCount == past.count }

  /// - Returns: whether the block was one we wait for.
  mutating func lease(_ block: Int, _ slot: SlotRef, generation: UInt64) -> Bool {
    guard past.indices.contains(block), case .waiting = past[block] else { return false }
    past[block] = .leased(slot, generation: generation)
    arrivals.append(block)
    waitingCount -= 1
    outstandingCount -= 1
    return true
  }

  mutating func lose(_ block: Int) {
    lost.append(block)
    outstandingCount -= 1
  }

  /// Up to `limit` leased blocks not handed out yet: in index order without a gap, or as they came.
  mutating func takeBatch(limit: Int, ordered: Bool) -> [Int] {
    var batch: [Int] = []
    while batch.count < limit {
      if ordered {
        guard nextInOrder < past.count, case .leased = past[nextInOrder] else { break }
        batch.append(nextInOrder)
        nextInOrder += 1
      } else {
        guard taken < arrivals.count else { break }
        batch.append(arrivals[taken])
        taken += 1
      }
    }
    return batch
  }

  mutating func use(_ block: Int) {
    past[block] = .used
    usedCount += 1
  }

  /// Leases were asked for so many more blocks.
  mutating func asked(_ count: Int) { outstandingCount += count }

  /// Blocks not leased and not used.
  var waiting: [Int] {
    past.indices.filter { if case .waiting = past[$0] { true } else { false } }
  }

  /// Gives up what is leased and not used; all of it has to be leased again.
  /// - Returns: the blocks whose leases must end.
  mutating func giveUpLeased() -> [Int] {
    let leased = past.indices.filter { if case .leased = past[$0] { true } else { false } }
    for block in leased { giveUp(block) }
    arrivals.removeAll(keepingCapacity: true)
    taken = 0
    return leased
  }

  /// What was lost is being computed again.
  mutating func forgetLost() {
    lost.removeAll()
    isAcquired = false
  }

  /// The block was handed out and could not be used: it has to be leased again.
  mutating func giveUp(_ block: Int) {
    past[block] = .waiting
    waitingCount += 1
    nextInOrder = min(nextInOrder, block)
  }
}
