/// One admitted or waiting sequence of one session. Its properties are the core's alone, which is one value and runs one
/// call at a time: what is read and written for every block is spared the check for overlapping access.
final class Sequence {
  enum State {
    case queued
    /// Its reservations are made; memory for its staging arena is being freed.
    case admitting
    case admitted
  }

  let session: SessionID
  let id: SequenceID
  let tenant: TenantID
  /// Whose nearest node its blocks go to (`NodeOrders`).
  let near: Int
  let plan: SequencePlan
  @exclusivity(unchecked) var state = State.queued
  /// Its group in the eviction lists; also its index among the open sequences.
  let group: Int32
  /// Its tenant's, for blocks without a plan.
  var idleGroup: Int32
  /// The lists its blocks stand in.
  var listGroup: Int32 { plan.isPlanned ? group : idleGroup }

  /// Blocks named so far.
  var named = 0
  /// How many of the first blocks need not be computed: when they were named, all that later ones read of them was held.
  var cachedBlocks = 0
  /// Handles by `layer * plan.totalBlocks + block`; -1 where not named yet.
  @exclusivity(unchecked) var handles: [BlockHandle]
  @exclusivity(unchecked) var flags: [BlockFlags]

  /// Where it is in its plan: `chunk * layers + layer` of its latest acquire.
  @exclusivity(unchecked) var step = 0
  @exclusivity(unchecked) var pace = Pace()
  /// The store's count of acquired blocks when this step began.
  var stepClock: UInt64 = 0
  /// The blocks of its latest acquire: what the layers after it will want too.
  @exclusivity(unchecked) var window = 0..<0

  /// By layer, of a hybrid plan: where the blocks end that it has read or written, and how many it has passed.
  var frontier: [Int] = []
  var passed: [Int] = []
  /// By layer: how many of the blocks named last are held.
  var heldRun: [Int]

  /// Cells acquired and not here yet, in the order they were asked for.
  @exclusivity(unchecked) var wanted: Fifo<Int> = Fifo()
  /// Under `--ordered`: the same until they are leased, which happens in this order.
  @exclusivity(unchecked) var awaiting: Fifo<Int> = Fifo()
  @exclusivity(unchecked) var prefetch = PrefetchCursor()
  /// Copies in ring slots of this sequence, oldest first.
  @exclusivity(unchecked) var ring: [BlockHandle] = []
  @exclusivity(unchecked) var ringLimit = 0
  @exclusivity(unchecked) var ringUsed = 0
  @exclusivity(unchecked) var leaseCount = 0
  /// Cells that are `wanted`.
  @exclusivity(unchecked) var waitingCount = 0
  var lastActivityMs: UInt64 = 0
  /// To be looked after before `handle` returns.
  @exclusivity(unchecked) var isUnsettled = false

  var staging: Staging?
  var reservations: Fifo<Reservation> = Fifo()

  /// Bytes reserved at admission, given back at close.
  var reserved = Admission.Needs()
  /// Its part of what may pass through the host in transit.
  var transitLimitBytes = 0

  struct Reservation {
    let layer: Int
    let blocks: Range<Int>
  }

  init(session: SessionID, tenant: TenantID, near: Int, plan: SequencePlan, group: Int32, idleGroup: Int32) {
    self.session = session
    self.near = near
    self.id = plan.sequence
    self.tenant = tenant
    self.plan = plan
    self.group = group
    self.idleGroup = idleGroup
    let cells = plan.layers * plan.totalBlocks
    handles = [BlockHandle](repeating: -1, count: cells)
    flags = [BlockFlags](repeating: [], count: cells)
    heldRun = [Int](repeating: 0, count: plan.layers)
    if plan.isHybrid { (frontier, passed) = (heldRun, heldRun) }
  }

  var layer: Int { step % plan.layers }
  func cell(_ layer: Int, _ block: Int) -> Int { layer * plan.totalBlocks + block }
  func layer(ofCell cell: Int) -> Int { cell / plan.totalBlocks }
  func block(ofCell cell: Int) -> Int { cell % plan.totalBlocks }

  func contains(layer: Int, _ blocks: Range<Int>) -> Bool {
    layer >= 0 && layer < plan.layers && blocks.lowerBound >= 0 && blocks.upperBound <= named
  }

  /// The step whose blocks are being used, or will be next: the latest acquired, until all of it has been released.
  var stepInUse: Int { leaseCount == 0 && waitingCount == 0 ? step + 1 : step }

  /// How far away the next use of a block is that it has just sealed.
  func distanceOfNewborn(layer: Int) -> Distance {
    guard plan.isPlanned else { return .unknown }
    return pace.distance(
      steps: NextUse.stepsOfNewborn(layer: layer, from: stepInUse, chunkStep: step, layers: plan.layers))
  }
}

/// What a sequence holds of one of its blocks.
struct BlockFlags: OptionSet {
  let rawValue: UInt8
  static let leased = BlockFlags(rawValue: 1)
  /// Acquired, not here yet: a `ready` or `lost` is owed.
  static let wanted = BlockFlags(rawValue: 2)
  /// Has a staging slot that the worker writes.
  static let reserved = BlockFlags(rawValue: 4)
  /// Sealed; a `sealed` is owed.
  static let sealing = BlockFlags(rawValue: 8)
  /// Out of its layer's reach: the sequence does not read it any more.
  static let passed = BlockFlags(rawValue: 16)
}

/// How far ahead of its acquires a sequence's blocks have been sent for.
struct PrefetchCursor: Comparable {
  var step = 0
  var block = 0

  static func < (a: PrefetchCursor, b: PrefetchCursor) -> Bool { (a.step, a.block) < (b.step, b.block) }
}

/// A session's small writable arena for one sequence.
struct Staging {
  let arena: ArenaID
  let slotBytes: Int
  var free: [UInt32]
  /// Slot of each reserved or sealing cell.
  var slots: [Int: UInt32] = [:]
  /// Ingests that still read from it.
  var ingests = 0
  let slotCount: Int
  /// Where it lies, in order, by the host's nodes.
  let pieces: [(node: Int, bytes: Int)]
  var bytes: Int { slotBytes * slotCount }
}

/// A queue whose head is cheap to take.
struct Fifo<Element> {
  private var items: [Element] = []
  private var head = 0

  var isEmpty: Bool { head == items.count }
  var count: Int { items.count - head }
  var first: Element? { isEmpty ? nil : items[head] }
  var elements: ArraySlice<Element> { items[head...] }

  mutating func append(_ element: Element) { items.append(element) }

  mutating func popFirst() -> Element? {
    guard head < items.count else { return nil }
    defer {
      head += 1
      if head == items.count {
        items.removeAll(keepingCapacity: true)
        head = 0
      } else if head > 1024 {
        items.removeFirst(head)
        head = 0
      }
    }
    return items[head]
  }

  mutating func removeAll(where condition: (Element) -> Bool) {
    items = items[head...].filter { !condition($0) }
    head = 0
  }
}
