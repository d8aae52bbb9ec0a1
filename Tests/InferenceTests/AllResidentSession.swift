import Synchronization
import TierCore

/// A store in this process that keeps every block, and checks that its caller keeps the rules.
///
/// Each lease is a copy of its own, poisoned when it ends, as staging slots are when they are sealed: whoever reads
/// late reads NaN.
final class AllResidentSession: ResidencySession, @unchecked Sendable {
  // Sendable: all state is behind `state`.

  /// What the store does to its caller.
  struct Behaviour {
    var seed: UInt64 = 1
    /// Of 100 acquired blocks, how many are moving first, and come in any order.
    var movingPercent = 0
    /// Of 100 leases, how many are overwritten while they are held.
    var stalePercent = 0
    /// They are overwritten before anyone asks whether they are current.
    var staleAtOnce = false
    /// The nth acquired block and all after are lost.
    var losesAfter: Int?
    /// Of 100 acquired blocks, how many are lost, and gone.
    var lossPercent = 0
    /// Every nth receive finds nothing, though there is something.
    var hesitates = 0
    /// Staging slots come back late, one at a time, when nothing else is left to say.
    var sealsLate = false
    var refusal: Refusal?
    var queuedAhead = 0
    /// Nothing is answered after so many replies.
    var mutesAfter: Int?
  }

  struct Key: Hashable {
    let id: BlockID
    let layer: Int
  }

  struct Lease {
    let key: Key
    let slot: UInt32
    /// `isCurrent` calls until the slot is overwritten; nil: never.
    var callsLeft: Int?
  }

  struct State {
    var behaviour: Behaviour
    var random: SeededGenerator
    var plan: SequencePlan?
    var ids: [BlockID] = []
    var blocks: [Key: [UInt8]] = [:]
    var replies: [Reply] = []
    var moving: [Reply] = []
    var slots: [UnsafeMutableRawBufferPointer] = []
    var freeSlots: [UInt32] = []
    var staging: [UnsafeMutableRawBufferPointer] = []
    var freeStaging: [UInt32] = []
    var reservations: [(layer: Int, blocks: Range<Int>)] = []
    var reserved: [Key: UInt32] = [:]
    var sealing: [(layer: Int, block: Int, slot: UInt32)] = []
    var leases: [Key: Lease] = [:]
    var wanted: Set<Key> = []
    var generations: [UInt64] = []
    var broken: [String] = []
    var acquired = 0
    var sent = 0
    var receives = 0
    var maxLeases = 0
    var staleReads = 0
    /// Of a hybrid plan, by layer: where the blocks end that were read or written, and those that no one will read.
    var frontier: [Int] = []
    var passed: [Int] = []
    var step = 0
    var retired = 0
  }

  let state: Mutex<State>
  static let dataArena = ArenaID(1)
  static let stagingArena = ArenaID(2)

  init(_ behaviour: Behaviour = Behaviour()) {
    state = Mutex(State(behaviour: behaviour, random: SeededGenerator(seed: behaviour.seed)))
  }

  deinit {
    state.withLock { state in
      for buffer in state.slots + state.staging { buffer.deallocate() }
    }
  }

  /// What the caller did against the rules.
  var brokenRules: [String] { state.withLock { $0.broken } }
  /// Blocks dropped because their layer reads them no more.
  var retiredCount: Int { state.withLock { $0.retired } }
  /// Blocks held now, by layer.
  func heldCount(layer: Int) -> Int { state.withLock { state in state.blocks.keys.count { $0.layer == layer } } }
  var leaseCount: Int { state.withLock { $0.leases.count } }
  var staleReads: Int { state.withLock { $0.staleReads } }

  /// Lets go of every cached block.
  func forgetBlocks() { state.withLock { $0.blocks.removeAll() } }

  func send(_ request: Request) throws(ResidencyError) {
    state.withLock { $0.handle(request) }
  }

  func receive(timeoutMs: Int) throws(ResidencyError) -> Reply? {
    let reply = state.withLock { $0.next() }
    // The store has no thread: what is not there now will not come.
    return reply
  }

  func bytes(of slot: SlotRef) throws(ResidencyError) -> UnsafeRawBufferPointer {
    let found = state.withLock { state in
      state.leases.values.contains { $0.slot == slot.index }
        ? UnsafeRawBufferPointer(state.slots[Int(slot.index)]) : nil
    }
    guard let found else { throw .badSlot("slot \(slot.index) is not leased") }
    return found
  }

  func stagingBytes(arena: ArenaID, slot: UInt32) throws(ResidencyError) -> UnsafeMutableRawBufferPointer {
    let found = state.withLock { state in
      state.reserved.values.contains(slot) ? state.staging[Int(slot)] : nil
    }
    guard arena == Self.stagingArena, let found else { throw .badSlot("staging slot \(slot) is not reserved") }
    return found
  }

  func isCurrent(_ slot: SlotRef, generation: UInt64) -> Bool {
    state.withLock { state in
      guard let key = state.leases.first(where: { $0.value.slot == slot.index })?.key else { return false }
      if let left = state.leases[key]!.callsLeft {
        state.leases[key]!.callsLeft = left - 1
        if left == 0 {
          state.staleReads += 1
          state.generations[Int(slot.index)] += 1
          poison(state.slots[Int(slot.index)])
        }
      }
      return state.generations[Int(slot.index)] == generation
    }
  }

  func statistics() throws(ResidencyError) -> StoreStatistics { StoreStatistics() }
  func end() {}
}

/// bf16 and f32 alike read it as NaN.
private func poison(_ buffer: UnsafeMutableRawBufferPointer) {
  for i in buffer.indices { buffer[i] = 0xFF }
}

extension AllResidentSession.State {
  typealias Key = AllResidentSession.Key

  mutating func next() -> Reply? {
    receives += 1
    if behaviour.hesitates > 0, receives % behaviour.hesitates == 0 { return nil }
    if let limit = behaviour.mutesAfter, sent >= limit { return nil }
    if replies.isEmpty, !moving.isEmpty {
      replies.append(moving.remove(at: Int(random.next(below: UInt64(moving.count)))))
    }
    if replies.isEmpty, !sealing.isEmpty { accept(sealing.removeFirst()) }
    guard !replies.isEmpty else { return nil }
    let reply = replies.removeFirst()
    // A block on the way is leased from the moment the caller may know of it.
    if case .ready(_, let layer, let block, _, _) = reply {
      let key = Key(id: ids[block], layer: layer)
      wanted.remove(key)
      let (slot, generation) = lease(key)
      sent += 1
      return .ready(plan!.sequence, layer: layer, block: block, slot, generation: generation)
    }
    sent += 1
    return reply
  }

  mutating func handle(_ request: Request) {
    switch request {
    case .open(let plan): open(plan)
    case .extend(let sequence, let blocks):
      check(!blocks.isEmpty && blocks.count <= 1024, "extend by \(blocks.count) blocks")
      ids += blocks
      check(ids.count <= plan!.totalBlocks, "\(ids.count) blocks named of \(plan!.totalBlocks)")
      replies.append(.extended(sequence, named: ids.count, cachedBlocks: (0...ids.count).last(where: isCached)!))
    case .reserve(_, let layer, let blocks):
      check(blocks.count <= staging.count && !blocks.isEmpty, "reserve of \(blocks)")
      reachFrontier(layer, blocks.upperBound)
      reservations.append((layer, blocks))
      serveReservations()
    case .seal(_, let layer, let blocks):
      for block in blocks { seal(layer, block) }
    case .acquire(let sequence, let chunk, let layer, let blocks):
      advance(to: chunk * plan!.layers + layer, blocks)
      acquire(sequence, layer, blocks)
    case .release(_, let layer, let blocks):
      for block in blocks { release(layer, block) }
    case .close(let sequence):
      check(wanted.isEmpty, "close while blocks are awaited")
      leases.removeAll()
      plan = nil
      ids = []
      replies.append(.closed(sequence))
    }
  }

  private mutating func check(_ holds: Bool, _ rule: String) {
    if !holds { broken.append(rule) }
  }

  private mutating func open(_ plan: SequencePlan) {
    check(self.plan == nil, "opened twice")
    check(plan.stagingSlots >= plan.chunkBlocks && plan.ringSlots >= 1, "a plan of too few slots")
    if let refusal = behaviour.refusal {
      replies.append(.refused(plan.sequence, refusal))
      return
    }
    self.plan = plan
    check(plan.reach.isEmpty || plan.reach.count == plan.layers, "\(plan.reach.count) layers' reach of \(plan.layers)")
    frontier = Array(repeating: 0, count: plan.layers)
    passed = frontier
    step = 0
    if staging.isEmpty {
      staging = (0..<plan.stagingSlots).map { _ in .allocate(byteCount: plan.layout.slotBytes, alignment: 4096) }
      freeStaging = (0..<UInt32(plan.stagingSlots)).map { $0 }
    }
    for ahead in stride(from: behaviour.queuedAhead, to: 0, by: -1) {
      replies.append(.queued(plan.sequence, ahead: ahead))
    }
    replies.append(.admitted(plan.sequence, staging: AllResidentSession.stagingArena, stagingSlots: staging.count))
  }

  /// Whether each layer has what the tokens after so many blocks read.
  private func isCached(_ count: Int) -> Bool {
    (0..<plan!.layers).allSatisfy { layer in
      (firstInReach(layer, before: count)..<count).allSatisfy { blocks[Key(id: ids[$0], layer: layer)] != nil }
    }
  }

  private func firstInReach(_ layer: Int, before count: Int) -> Int {
    plan!.reach.isEmpty
      ? 0 : plan!.reach[layer].firstBlock(before: count, blockTokens: plan!.layout.blockTokens)
  }

  private mutating func reachFrontier(_ layer: Int, _ end: Int) { frontier[layer] = max(frontier[layer], end) }

  /// A layer that is left lets go of what its next chunk does not reach, as the store's does.
  private mutating func advance(to next: Int, _ range: Range<Int>) {
    let left = step % plan!.layers
    let hasLeft = next > step
    step = next
    reachFrontier(next % plan!.layers, range.upperBound)
    guard hasLeft, !plan!.reach.isEmpty else { return }
    let limit = left == next % plan!.layers ? range.lowerBound : Int.max
    let first = min(firstInReach(left, before: min(frontier[left], ids.count)), limit)
    while passed[left] < first {
      if blocks.removeValue(forKey: Key(id: ids[passed[left]], layer: left)) != nil { retired += 1 }
      passed[left] += 1
    }
  }

  private func isPassed(_ layer: Int, _ block: Int) -> Bool { block < passed[layer] }

  private mutating func serveReservations() {
    while let next = reservations.first {
      let keys = next.blocks.map { Key(id: ids[$0], layer: next.layer) }
      let fresh = zip(next.blocks, keys).filter { !isPassed(next.layer, $0) && blocks[$1] == nil }
      guard fresh.count <= freeStaging.count else { return }
      reservations.removeFirst()
      let slots: [Staged] = zip(next.blocks, keys).map { block, key in
        guard !isPassed(next.layer, block), blocks[key] == nil else { return .duplicate }
        check(reserved[key] == nil, "reserved twice")
        let slot = freeStaging.removeLast()
        reserved[key] = slot
        return .slot(slot)
      }
      replies.append(.reserved(plan!.sequence, layer: next.layer, first: next.blocks.lowerBound, slots))
    }
  }

  private mutating func seal(_ layer: Int, _ block: Int) {
    let key = Key(id: ids[block], layer: layer)
    guard let slot = reserved.removeValue(forKey: key) else {
      check(false, "block \(block) of layer \(layer) sealed but not reserved")
      return
    }
    if isPassed(layer, block) {
      poison(staging[Int(slot)])
      freeStaging.append(slot)
      replies.append(.sealed(plan!.sequence, layer: layer, block: block, .dropped))
      return serveReservations()
    }
    blocks[key] = Array(staging[Int(slot)].prefix(plan!.layout.payloadBytes))
    poison(staging[Int(slot)])
    if behaviour.sealsLate { sealing.append((layer, block, slot)) } else { accept((layer, block, slot)) }
  }

  private mutating func accept(_ sealed: (layer: Int, block: Int, slot: UInt32)) {
    freeStaging.append(sealed.slot)
    replies.append(.sealed(plan!.sequence, layer: sealed.layer, block: sealed.block, .accepted))
    replies.append(.durable(plan!.sequence, layer: sealed.layer, block: sealed.block))
    serveReservations()
  }

  private mutating func acquire(_ sequence: SequenceID, _ layer: Int, _ range: Range<Int>) {
    check(range.count <= 1024 && (!range.isEmpty || !plan!.reach.isEmpty), "acquire of \(range)")
    check(range.isEmpty || !isPassed(layer, range.lowerBound), "acquire of \(range), which layer \(layer) has passed")
    check(reservations.isEmpty, "leases asked for while staging is awaited")
    var answers: [Residence] = []
    for block in range {
      let key = Key(id: ids[block], layer: layer)
      check(leases[key] == nil && !wanted.contains(key), "block \(block) of layer \(layer) acquired twice")
      acquired += 1
      if behaviour.lossPercent > 0, random.next(below: 100) < behaviour.lossPercent { blocks[key] = nil }
      if acquired > behaviour.losesAfter ?? Int.max || blocks[key] == nil {
        answers.append(.lost)
      } else if random.next(below: 100) < behaviour.movingPercent {
        wanted.insert(key)
        moving.append(.ready(sequence, layer: layer, block: block, SlotRef(arena: .init(0), index: 0), generation: 0))
        answers.append(.moving)
      } else {
        let (slot, generation) = lease(key)
        answers.append(.resident(slot, generation: generation))
      }
    }
    replies.append(.acquired(sequence, layer: layer, first: range.lowerBound, answers))
  }

  private mutating func lease(_ key: Key) -> (SlotRef, UInt64) {
    if freeSlots.isEmpty {
      freeSlots.append(UInt32(slots.count))
      slots.append(.allocate(byteCount: plan!.layout.slotBytes, alignment: 4096))
      generations.append(1)
    }
    let slot = freeSlots.removeLast()
    slots[Int(slot)].copyBytes(from: blocks[key]!)
    let isStale = random.next(below: 100) < behaviour.stalePercent
    leases[key] = AllResidentSession.Lease(
      key: key, slot: slot, callsLeft: isStale ? (behaviour.staleAtOnce ? 0 : Int(random.next(below: 6))) : nil)
    maxLeases = max(maxLeases, leases.count)
    return (SlotRef(arena: AllResidentSession.dataArena, index: slot), generations[Int(slot)])
  }

  private mutating func release(_ layer: Int, _ block: Int) {
    guard let lease = leases.removeValue(forKey: Key(id: ids[block], layer: layer)) else {
      check(false, "block \(block) of layer \(layer) released but not leased")
      return
    }
    poison(slots[Int(lease.slot)])
    generations[Int(lease.slot)] += 1
    freeSlots.append(lease.slot)
  }
}

/// SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators).
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64
  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  mutating func next(below bound: UInt64) -> UInt64 { next() % bound }
}
