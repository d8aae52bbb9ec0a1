/// The memory of one tier: arenas, and who may use how much of it.
///
/// Bytes in use are of four kinds: *kept* (blocks chosen to stay), *ring* (blocks streaming to a sequence), *transit*
/// (blocks on their way to another tier) and *staging*. Rings, transit and staging are reserved when a sequence is
/// admitted, so kept blocks may use `budget - reserved`. What is committed never exceeds `limitBytes`, which is the
/// budget, or while a shrink is under way what is still in use.
///
/// A pool of several NUMA nodes has a budget on each (`PoolNode`) beside that of the tier: they say how much may lie where,
/// the tier's how much there may be. A slot lies on one node, so room may be left on each that is less than a slot:
/// `strandableBytes` is never promised to anyone.
struct Pool {
  let tier: Tier
  let extentBytes: Int
  /// Memory is committed, and given back, by arenas rather than slots wherever that can be: an arena that is registered with a
  /// device gives nothing back until it is not any more.
  let commitsExtents: Bool
  /// Of each node's budget one part in so many may be given back only whole; 0 for none. It stays when memory is short.
  let lastingShare: Int
  let hugePageBytes: Int
  let orders: NodeOrders
  /// What the operator gave.
  private(set) var configuredBytes: Int
  /// What the machine has room for at present; nil where it does not say.
  var allowanceBytes: Int?
  /// What is in force: what was given, less while memory is short.
  var budgetBytes: Int
  var limitBytes: Int
  var nodes: [PoolNode]
  var usedBytes = 0
  var peakBytes = 0
  var committedBytes = 0
  /// Free in arenas that are given back only whole: kept blocks alone come there.
  var lastingIdleBytes = 0
  /// Promised to admitted sequences: rings, transit, staging.
  var reservedBytes = 0
  var keptBytes = 0
  var ringBytes = 0
  var transitBytes = 0
  var transitLimitBytes = 0
  /// In slots of adopted arenas that have not been looked at yet.
  var adoptingBytes = 0
  /// Of the admitted sequences.
  var largestSlotBytes = 0
  var arenas = IDTable<ArenaID, Arena>()
  var classes: [SlotClass] = []
  /// Slots of one class are mostly asked for one after another.
  var latestClass = 0
  /// Counts what was given back; while it goes on nothing is made whole again.
  var givenBack = 0
  private var weights: [Int]

  /// The arenas whose slots one tenant may have at one size on one node.
  struct SlotClass {
    let tenant: TenantID
    let slotBytes: Int
    let node: Int
    var arenas: [ArenaID] = []
    /// Arenas before this one have no committed slot free.
    var firstFree = 0
    /// Those that are given back only whole.
    var lasting: [ArenaID] = []
  }

  /// What the shell must do before it uses an allocated slot, in order.
  enum Step {
    case open(Arena)
    case decommit(SlotRef)
    case pin(ArenaID)
    case unpin(ArenaID)
    case decommitArena(ArenaID)
  }

  /// - Parameter nodes: none for a pool whose memory may be anywhere.
  init(
    tier: Tier, budgetBytes: Int, extentBytes: Int, nodes: [MemoryNode] = [], distances: NodeDistances = .init(),
    commitsExtents: Bool = false, lastingShare: Int = 0, hugePageBytes: Int = 2 << 20
  ) {
    self.hugePageBytes = hugePageBytes
    self.tier = tier
    self.commitsExtents = commitsExtents
    self.lastingShare = lastingShare
    self.extentBytes = extentBytes
    configuredBytes = budgetBytes
    self.budgetBytes = budgetBytes
    limitBytes = budgetBytes
    orders = NodeOrders(nodes.map(\.id), distances)
    weights = nodes.map(\.budgetBytes)
    self.nodes =
      nodes.isEmpty
      ? [PoolNode(id: nil, budgetBytes: budgetBytes)]
      : nodes.map { PoolNode(id: $0.id, budgetBytes: $0.budgetBytes / MemoryNode.pageBytes * MemoryNode.pageBytes) }
  }

  /// Sets what the operator gives; its nodes' parts keep their proportions.
  mutating func configure(_ bytes: Int) {
    configuredBytes = bytes
    let parts = nodes.count == 1 ? [bytes] : MemoryNode.split(bytes, weights: weights)
    for (index, part) in parts.enumerated() { nodes[index].setBudget(part) }
  }

  /// The same by node.
  mutating func configure(parts: [Int]) {
    weights = parts
    configure(parts.reduce(0, +))
  }

  /// In use, or not to be had for anything else.
  var heldBytes: Int { usedBytes + lastingIdleBytes }
  /// What kept blocks may use.
  var keepBytes: Int { max(0, budgetBytes - reservedBytes - strandableBytes - lastingIdleBytes) }
  /// What may be left over on the nodes in pieces that are too small for a slot.
  var strandableBytes: Int { (nodes.count - 1) * largestSlotBytes }
  /// The same once there are slots of that size, too.
  func strandableBytes(with slotBytes: Int) -> Int { (nodes.count - 1) * max(largestSlotBytes, slotBytes) }
  var isShrinking: Bool { heldBytes > budgetBytes }

  /// Whether one of the nodes has room for so much in one piece; for nothing: whether the tier is within its budget.
  func hasRoom(_ bytes: Int) -> Bool {
    guard heldBytes + bytes <= budgetBytes else { return false }
    return nodes.count == 1 || bytes == 0 || nodes.contains { $0.freeBytes >= bytes }
  }

  /// The same on a node that may take what is only kept.
  func hasKeepRoom(_ bytes: Int) -> Bool {
    guard heldBytes + bytes <= budgetBytes else { return false }
    let isShortEverywhere = nodes.allSatisfy(\.isShort)
    return nodes.count == 1 || nodes.contains { $0.freeBytes >= bytes && (isShortEverywhere || !$0.isShort) }
  }

  /// The same in pieces, on any of the nodes.
  func hasStagingRoom(_ bytes: Int) -> Bool {
    guard heldBytes + bytes <= budgetBytes else { return false }
    return nodes.count == 1 || nodes.reduce(0) { $0 + $1.freeBytes } >= bytes
  }

  func slotBytes(of slot: SlotRef) -> Int { arenas[existing: slot.arena].slotBytes }
  func generation(of slot: SlotRef) -> UInt64 { arenas[existing: slot.arena].generations[Int(slot.index)] }
  func node(of slot: SlotRef) -> Int { arenas[existing: slot.arena].node }

  func arenas(of tenant: TenantID) -> [ArenaID] {
    arenas.values.filter { $0.tenant == tenant }.map(\.id)
  }

  /// Sets what is in force. Where more is in use, the limit follows the use down, and never up again.
  mutating func setBudget(_ bytes: Int, steps: inout [Step]) {
    budgetBytes = bytes
    limitBytes = max(bytes, heldBytes)
    settle(steps: &steps)
  }
}
