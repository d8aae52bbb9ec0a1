/// The residency state machine: what is where, and what moves next.
///
/// Pure: no I/O, no clock, no threads. `handle` takes one event and returns the commands that carry out what follows
/// from it, in order. The files beside this one each hold one concern:
/// sessions and admission, staging and seals, leases, streaming, eviction, the disk.
public struct ResidencyCore {
  let configuration: CoreConfiguration
  /// The tier workers compute on.
  public let computeTier: Tier

  var device: Pool
  var host: Pool
  var disk: DiskState
  var directory = Directory()
  var lists = EvictionLists()
  var tenants = TenantAccounts()
  /// Idle groups of tenants whose part of the disk is full; tried again when the disk is.
  var diskFull: Set<Int32> = []

  var sessions: [SessionID: Session] = [:]
  /// Open sequences by group.
  var sequences = IDTable<Int32, Sequence>()
  var admissionQueue: Fifo<Int32> = Fifo()
  var isDraining = false
  var isEvictingIdle = false
  /// The host needs room that only writing can give.
  var isHostPressed = false

  /// Someone was refused room that a release may give.
  var isRoomWanted = false

  var moves = MoveTable()
  var lastArena: UInt32 = 0
  var nowMs: UInt64 = 0
  /// While the spill looks for what an earlier life left.
  var recovery: Recovery?
  /// Counts acquired blocks; orders blocks by their last use.
  var useClock: UInt64 = 0
  /// Counts evictions of blocks whose next use nobody knew.
  var unplannedEvictions: UInt64 = 0

  /// Who waits for a block to arrive on the compute tier.
  var waiters = WaitLists()
  /// Blocks that want a transit slot to be read from disk into.
  var readQueue: Fifo<BlockHandle> = Fifo()
  /// Sealed blocks that found no place yet.
  var placements: Fifo<Seal> = Fifo()
  /// Host blocks that must be written before they can leave, in order of arrival.
  var transitWrites: Fifo<BlockHandle> = Fifo()
  /// Whom to tell that an accepted block is durable.
  var durabilityOwed: [BlockHandle: Waiter] = [:]
  /// Staging arenas of closed sequences that ingests still read.
  var closingStaging: [ArenaID: Staging] = [:]
  var demotionsInFlight = 0
  var writesInFlight = 0
  /// Since when something waits that only others' leases hold up; 0 if nothing does.
  var starvedSinceMs: UInt64 = 0
  /// Something was freed: whoever waits is looked at again.
  var mayProceed = false
  /// What the host had given back when it was looked at last, and for how many ticks it has given back no more.
  var mending: (givenBack: Int, ticks: Int) = (0, 0)

  var statistics = StoreStatistics()
  var commands: [Command] = []

  struct Session {
    let tenant: TenantID
    /// Whose nearest node its blocks go to (`NodeOrders`).
    var near = NodeOrders.unknown
    var sequences: [SequenceID: Int32] = [:]
    /// Requests that wait for the spill to be searched, in order.
    var deferred: [Request] = []
  }
  struct Seal {
    let handle: BlockHandle
    let sealer: Waiter
  }

  public init(_ configuration: CoreConfiguration) {
    self.configuration = configuration
    computeTier = configuration.deviceBytes > 0 ? .device : .host
    device = Pool(
      tier: .device, budgetBytes: configuration.deviceBytes, extentBytes: configuration.deviceExtentBytes)
    host = Pool(
      tier: .host, budgetBytes: configuration.hostBytes, extentBytes: configuration.extentBytes,
      nodes: configuration.hostNodes, distances: configuration.nodeDistances,
      commitsExtents: configuration.commitsHostExtents, lastingShare: configuration.hostLastingShare,
      hugePageBytes: configuration.hugePageBytes)
    disk = DiskState(capBytes: configuration.diskBytes)
  }

  /// Takes one event; returns what to do about it, in order.
  public mutating func handle(_ event: Event) -> [Command] {
    var result: [Command] = []
    handle(event, into: &result)
    return result
  }

  /// The same, appended to a buffer of the caller's.
  public mutating func handle(_ event: Event, into result: inout [Command]) {
    swap(&commands, &result)
    defer { swap(&commands, &result) }
    switch event {
    case .connected(let session, let tenant): connect(session, tenant)
    case .located(let session, let node): sessions[session]?.near = host.orders.place(of: node)
    case .request(let session, let request): take(request, from: session)
    case .disconnected(let session): disconnect(session)
    case .moved(let move, let outcome): finish(move, outcome)
    case .setBudget(let tier, let bytes): setBudget(tier, bytes)
    case .setAllowance(let tier, let bytes): setAllowance(tier, bytes)
    case .setTenants(let policy): setTenants(policy)
    case .setNodeBudgets(let nodes): setNodeBudgets(nodes)
    case .setShortNodes(let nodes): setShortNodes(nodes)
    case .evict(let scope): evict(scope)
    case .drain(let on): drain(on)
    case .tick(let ms): tick(ms)
    case .recoveryBegan: recovery = Recovery()
    case .arenaFound(let arena): adopt(arena)
    case .slotFound(let slot, let tier, let block): adopt(block, in: slot, on: tier)
    case .recovered(let records): recover(records)
    case .recoveryEnded: endRecovery()
    case .recordLost(let key): loseRecord(key)
    }
    settle()
  }

  /// Lets everything that can proceed now do so. Each pass starts at least one move or stops.
  private mutating func settle() {
    isHostPressed = false
    if mayProceed { isRoomWanted = false }
    repeat {
      let hasChanged = mayProceed
      mayProceed = false
      shrink()
      admitQueued()
      placeWaiting()
      serveReads()
      let isAnyoneConcerned = hasChanged || mayProceed
      for sequence in sequences.values where isAnyoneConcerned || sequence.isUnsettled {
        sequence.isUnsettled = false
        stream(sequence)
      }
      writeBehind()
    } while mayProceed
  }

  subscript(tier: Tier) -> Pool {
    _read {
      if tier == .device { yield device } else { yield host }
    }
    _modify {
      if tier == .device { yield &device } else { yield &host }
    }
  }

  mutating func emit(_ command: Command) { commands.append(command) }
  mutating func reply(_ sequence: Sequence, _ reply: Reply) { commands.append(.reply(sequence.session, reply)) }

  mutating func begin(_ move: Move) -> MoveID { moves.add(move) }
}
