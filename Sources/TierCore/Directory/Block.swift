/// Index of a block in the directory. Valid while a sequence names the block or a tier holds it.
typealias BlockHandle = Int32

/// One block, wherever it is.
struct Block {
  let key: BlockKey
  let layout: BlockLayout
  /// Of the payload, taken when it was sealed; 0 until then.
  var checksum: UInt64 = 0
  var device = Copy()
  var host = Copy()
  var disk = DiskCopy()
  /// Leases on the copy of the compute tier.
  var leases: Int32 = 0
  /// Open sequences that name this block.
  var users: Int32 = 0
  /// Of those, the ones that will still read it.
  var needers: Int32 = 0
  /// Every sequence that named it has passed it: it leaves all tiers as soon as it may.
  var isRetired = false
  /// A worker sealed it and it has no slot yet.
  var isSealing = false
  /// When it was used last, in acquires of the whole store.
  var lastUse: UInt64 = 0
  /// The group whose lists its evictable copies stand in: the sequence that used it last, or its tenant's idle one.
  var group: Int32
  /// Where no plan says when it is used next: uses since it was last considered for eviction, and whether it was found
  /// worth keeping.
  var uses: UInt8 = 0
  var isProven = false
  /// The store's count of such evictions when it left memory; 0 if it has not since its last use.
  var evictedAt: UInt64 = 0

  subscript(tier: Tier) -> Copy {
    get { tier == .device ? device : host }
    set { if tier == .device { device = newValue } else { host = newValue } }
  }

  var isAnywhere: Bool { device.state != .none || host.state != .none || disk.state == .durable }
  var isOnDisk: Bool { disk.state == .durable }
  /// Nobody names it, and it is nowhere.
  var isUnused: Bool {
    users == 0 && !isAnywhere && !isSealing && disk.state == .none && !disk.isBeingRead
  }

  /// Whether letting go of the copy on `tier` loses nothing.
  func isClean(on tier: Tier) -> Bool {
    isOnDisk || layout.isDroppable || (tier == .device && host.state == .resident)
  }
}

/// A block's bytes in one tier of memory.
struct Copy {
  enum State: UInt8 {
    case none
    /// It has a slot; its bytes are on their way.
    case arriving
    case resident
  }
  enum Role: UInt8 {
    /// Stays until something used sooner wants the place.
    case kept
    /// Streams to one sequence and goes once used.
    case ring
    /// Stays until it has arrived on the next tier.
    case transit
  }
  var state = State.none
  var role = Role.kept
  var slot = SlotRef(arena: ArenaID(0), index: 0)
  var generation: UInt64 = 0
  /// While arriving: the move that brings the bytes has been commanded.
  var isMoving = false
  /// Moves that read this copy now.
  var readers: Int16 = 0
  var isBusy: Bool { isMoving || readers > 0 }
  /// For `ring`: the sequence it streams to.
  var ringOwner: Int32 = -1
  /// For `ring`: it was sent for ahead of its acquire, for this place in its owner's plan.
  var prefetchedFor: PrefetchCursor?
  /// Links of the eviction list it stands in; `list` is -1 where it stands in none.
  var list: Int32 = -1
  var previous: BlockHandle = -1
  var next: BlockHandle = -1
}

/// A block's bytes on disk.
struct DiskCopy {
  enum State: UInt8 {
    case none
    case writing
    case durable
  }
  var state = State.none
  var storedBytes = 0
  var isBeingRead = false
  /// Reads in a row that the disk did not answer.
  var failedReads: UInt8 = 0
}
