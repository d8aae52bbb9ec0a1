import TierCore

/// A worker that reads prompts as the real one does, one request at a time whenever it is its turn, and checks every
/// byte it is shown.
struct SimulatedWorker {
  enum Phase: Equatable {
    case idle
    case opening
    case naming
    case working
    case closing
  }
  struct Held {
    let slot: SlotRef
    let generation: UInt64
  }

  let session: SessionID
  let tenant: TenantID
  private(set) var phase = Phase.idle
  private(set) var plan: SequencePlan?
  private(set) var finishedSequences = 0
  private(set) var refusals = 0
  /// What it waits for, in words; empty when it may go on.
  private(set) var leased: [Int: [Int: Held]] = [:]
  private var family = 0
  /// It reads in chunks whether its plan says so or not.
  private var chunkBlocks = 1
  private var staging = ArenaID(0)
  private var named = 0
  private var chunk = 0
  private var layer = 0
  private var isReserving = false
  private var toSeal: [(block: Int, slot: UInt32)] = []
  private var sealsOwed: Set<Int> = []
  private var hasAcquired = false
  private var hasReserved = false
  private var isAcquiring = false
  private var moving: Set<Int> = []
  private var nextOrdered = 0
  private var pastCount = 0

  init(session: SessionID, tenant: TenantID) {
    self.session = session
    self.tenant = tenant
  }

  /// The bytes of a block derive from what it is.
  static func content(_ key: BlockKey) -> UInt64 {
    var random = SeededRandom(
      seed: key.id.a &* 31 &+ key.id.b &+ UInt64(key.layer) << 32 &+ UInt64(key.tenant.rawValue))
    return random.next()
  }

  private func key(_ layer: Int, _ block: Int) -> BlockKey {
    BlockKey(tenant: tenant, id: id(block), layer: UInt16(layer))
  }

  /// Families share their first blocks, so that sequences share prefixes.
  private func id(_ block: Int) -> BlockID {
    let shared = block < 3 ? UInt64(family % 3) : UInt64(family) + 100
    let size = UInt64(plan!.layout.slotBytes)
    let kind: UInt64 = plan!.layout.isDroppable ? 1000 : 0
    return BlockID(a: shared, b: UInt64(block), c: size, d: UInt64(plan!.layers) + kind)
  }

  private func expected(_ layer: Int, _ block: Int) -> UInt64 { Self.content(key(layer, block)) }

  var isDone: Bool { phase == .idle }
  /// Sequences it is through with, read or refused.
  var ended: Int { finishedSequences + refusals }

  /// What it asks next; nil while it waits.
  mutating func act(_ random: inout SeededRandom, _ shell: inout SimulatedShell, mayOpen: Bool) -> Request? {
    switch phase {
    case .idle:
      guard mayOpen else { return nil }
      return open(&random)
    case .opening, .closing: return nil
    case .naming: return nil
    case .working: return work(&random, &shell)
    }
  }

  private mutating func open(_ random: inout SeededRandom) -> Request {
    let tokens = random.once(in: 3) ? 1024 : 512
    let keys = BlockLayout(element: .f32, kvHeads: 1, headDim: 1, blockTokens: tokens)!
    let layout = random.once(in: 5) ? BlockLayout.weights(byteCount: keys.slotBytes)! : keys
    chunkBlocks = random.int(1...3)
    let layers = random.int(1...4)
    let reach = layout.isDroppable || !random.once(in: 3) ? [] : (0..<layers).map { _ in Self.reach(&random) }
    let plan = SequencePlan(
      sequence: SequenceID(UInt32(random.int(0...3))), layout: layout, layers: layers,
      chunkBlocks: random.once(in: 5) ? 0 : chunkBlocks,
      totalBlocks: random.once(in: 3) ? random.int(8...32) : random.int(1...10),
      stagingSlots: chunkBlocks + random.int(0...2), ringSlots: random.int(1...3),
      ordered: random.once(in: 2), reach: reach)
    self.plan = plan
    family = random.int(0...5)
    phase = .opening
    named = 0
    chunk = 0
    startLayer(0)
    return .open(plan)
  }

  /// Windows and attention chunks of a few blocks, which begin and end within them.
  private static func reach(_ random: inout SeededRandom) -> LayerReach {
    switch random.int(0...2) {
    case 0: .full
    case 1: .sliding(tokens: random.int(1...2500))
    default: .chunked(tokens: random.int(1...2500))
    }
  }

  /// Earlier blocks that this chunk reads.
  private var pastBlocks: Range<Int> {
    guard let plan, !plan.reach.isEmpty else { return 0..<pastCount }
    return plan.reach[layer].firstBlock(before: pastCount, blockTokens: plan.layout.blockTokens)..<pastCount
  }

  /// One small prompt of one layer, to be read by a worker that does nothing else.
  mutating func open(watched blocks: Int) -> Request {
    let layout = BlockLayout(element: .f32, kvHeads: 1, headDim: 1, blockTokens: 512)!
    chunkBlocks = 1
    let plan = SequencePlan(
      sequence: SequenceID(0), layout: layout, layers: 1, chunkBlocks: 1, totalBlocks: blocks, stagingSlots: 1,
      ringSlots: 1, ordered: false)
    self.plan = plan
    phase = .opening
    named = 0
    chunk = 0
    startLayer(0)
    return .open(plan)
  }

  private mutating func startLayer(_ next: Int) {
    layer = next
    hasAcquired = false
    hasReserved = false
    isAcquiring = false
    isReserving = false
    moving = []
    nextOrdered = 0
    pastCount = min(chunk * chunkBlocks, named)
  }

  private var ownBlocks: Range<Int> {
    let first = chunk * chunkBlocks
    return first..<min(first + chunkBlocks, plan!.totalBlocks)
  }

  private mutating func work(_ random: inout SeededRandom, _ shell: inout SimulatedShell) -> Request? {
    let plan = plan!
    if random.once(in: 400) { return close() }
    if !hasReserved, !isReserving {
      isReserving = true
      return .reserve(plan.sequence, layer: layer, blocks: ownBlocks)
    }
    if let (block, slot) = toSeal.popLast() {
      shell.writeStaging(SlotRef(arena: staging, index: slot), expected(layer, block))
      sealsOwed.insert(plan.totalBlocks * layer + block)
      return .seal(plan.sequence, layer: layer, blocks: block..<block + 1)
    }
    if !hasAcquired, !isAcquiring {
      isAcquiring = true
      return .acquire(plan.sequence, chunk: chunk, layer: layer, blocks: pastBlocks)
    }
    if let block = useOne(&random) { return .release(plan.sequence, layer: layer, blocks: block..<block + 1) }
    guard hasAcquired, hasReserved, moving.isEmpty, (leased[layer] ?? [:]).isEmpty else { return nil }
    return advance()
  }

  /// A leased block to use and let go: any, or in index order.
  private mutating func useOne(_ random: inout SeededRandom) -> Int? {
    guard hasAcquired, let held = leased[layer], !held.isEmpty else { return nil }
    if plan!.ordered {
      let next = held.keys.min()!
      guard !moving.contains(where: { $0 < next }) else { return nil }
      leased[layer]![next] = nil
      return next
    }
    let block = held.keys.sorted().randomElement(using: &random)!
    leased[layer]![block] = nil
    return block
  }

  private mutating func advance() -> Request? {
    if layer + 1 < plan!.layers {
      startLayer(layer + 1)
      return nil
    }
    chunk += 1
    if chunk * chunkBlocks >= plan!.totalBlocks { return close() }
    startLayer(0)
    return nil
  }

  private mutating func close() -> Request {
    phase = .closing
    leased = [:]
    toSeal = []
    sealsOwed = []
    return .close(plan!.sequence)
  }

  /// Takes a reply; a sentence if it is not what a worker may be told.
  mutating func take(_ reply: Reply, _ shell: SimulatedShell) -> (fault: String?, next: Request?) {
    switch reply {
    case .queued: return (phase == .opening ? nil : "queued while \(phase)", nil)
    case .refused:
      guard phase == .opening else { return ("refused while \(phase)", nil) }
      phase = .idle
      refusals += 1
      return (nil, nil)
    case .admitted(_, let arena, let slots):
      guard phase == .opening, slots == plan!.stagingSlots else { return ("admitted while \(phase)", nil) }
      staging = arena
      phase = .naming
      return (nil, .extend(plan!.sequence, blocks: (0..<plan!.totalBlocks).map(id)))
    case .extended(_, let count, let cached):
      guard phase == .naming, count == plan!.totalBlocks, cached <= count else {
        return ("extended while \(phase)", nil)
      }
      named = count
      phase = .working
      startLayer(0)
      return (nil, nil)
    case .closed:
      guard phase == .closing else { return ("closed while \(phase)", nil) }
      phase = .idle
      finishedSequences += 1
      return (nil, nil)
    case .violation(let violation): return ("violation: \(violation.message)", nil)
    default:
      return (
        phase == .working ? takeBlockReply(reply, shell) : phase == .closing ? nil : "\(reply) while \(phase)", nil
      )
    }
  }

  private mutating func takeBlockReply(_ reply: Reply, _ shell: SimulatedShell) -> String? {
    switch reply {
    case .reserved(_, let layer, let first, let staged):
      guard isReserving, layer == self.layer, first == ownBlocks.lowerBound, staged.count == ownBlocks.count else {
        return "reserved what was not asked for"
      }
      isReserving = false
      hasReserved = true
      for (offset, answer) in staged.enumerated() {
        if case .slot(let slot) = answer { toSeal.append((first + offset, slot)) }
      }
      return nil
    case .sealed(_, let layer, let block, _):
      return sealsOwed.remove(plan!.totalBlocks * layer + block) == nil ? "sealed what was not sealed" : nil
    case .durable(_, let layer, let block):
      guard let record = shell.disk[key(layer, block)] else { return "durable but not on disk" }
      return record.content == expected(layer, block) ? nil : "wrong bytes on disk"
    case .acquired(_, let layer, let first, let states):
      guard isAcquiring, layer == self.layer, first == pastBlocks.lowerBound, states.count == pastBlocks.count
      else {
        return "acquired what was not asked for"
      }
      isAcquiring = false
      hasAcquired = true
      for (block, state) in zip(pastBlocks, states) {
        switch state {
        case .resident(let slot, let generation):
          if let fault = hold(layer, block, slot, generation, shell) { return fault }
        case .moving: moving.insert(block)
        case .lost: break
        }
      }
      return nil
    case .ready(_, let layer, let block, let slot, let generation):
      guard layer == self.layer, moving.remove(block) != nil else { return "ready: block \(block) was not awaited" }
      return hold(layer, block, slot, generation, shell)
    case .lost(_, let layer, let block):
      return layer == self.layer && moving.remove(block) != nil ? nil : "lost: block \(block) was not awaited"
    default: return "unexpected \(reply)"
    }
  }

  private mutating func hold(
    _ layer: Int, _ block: Int, _ slot: SlotRef, _ generation: UInt64, _ shell: SimulatedShell
  ) -> String? {
    leased[layer, default: [:]][block] = Held(slot: slot, generation: generation)
    return wrongBytes(shell)
  }

  /// A sentence if any leased slot does not hold what it must, now.
  func wrongBytes(_ shell: SimulatedShell) -> String? {
    for (layer, blocks) in leased {
      for (block, held) in blocks {
        if shell.memory[held.slot] != expected(layer, block) {
          return "wrong bytes in block \(block) of layer \(layer)"
        }
        if shell.generations[held.slot] != held.generation { return "stale generation of block \(block)" }
      }
    }
    return nil
  }

  /// What it waits for, when nothing moves any more.
  var waitingFor: String {
    "\(phase), chunk \(chunk), layer \(layer), reserving \(isReserving), acquiring \(isAcquiring), moving \(moving.sorted()), "
      + "seals owed \(sealsOwed.count), leased \((leased[layer] ?? [:]).keys.sorted())"
  }
}
