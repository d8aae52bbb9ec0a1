/// A prefill against a core whose moves all end at once, in order: what the planner makes of a plan, without threads,
/// links, disks or bytes. Exact as to what is kept, streamed and spilled; silent as to time.
public struct PlanReplay {
  /// The KV of one prompt, and the weights that compete with it.
  public struct Workload: Sendable {
    public var layout: BlockLayout
    public var layers: Int
    public var totalBlocks: Int
    public var chunkBlocks: Int
    public var ringSlots: Int
    /// Bytes of a layer's weights, by part; empty where they are outside the budgets.
    public var weightParts: [Int]
    /// How far back each layer reads; empty where all of them read everything.
    public var reach: [LayerReach]

    public init(
      layout: BlockLayout, layers: Int, totalBlocks: Int, chunkBlocks: Int, ringSlots: Int = 8, weightParts: [Int] = [],
      reach: [LayerReach] = []
    ) {
      self.layout = layout
      self.layers = layers
      self.totalBlocks = totalBlocks
      self.chunkBlocks = chunkBlocks
      self.ringSlots = ringSlots
      self.weightParts = weightParts
      self.reach = reach
    }
  }

  public let workload: Workload
  var core: ResidencyCore
  /// Original over stored bytes of what is spilled.
  private let spillRatio: Double
  private let kv = SessionID(1)
  private let weights = SessionID(2)
  private let sequence = SequenceID(1)
  private var pending: [Command] = []
  private var next = 0
  private var answers: [Command] = []
  /// By block: leased, and not used yet; lost in this step.
  private var isHeld: [Bool]
  private var isGone: [Bool]
  /// Parts of the current layer's weights that are leased, and that have to be filled.
  private var leasedParts: [Int] = []
  private var lostParts: [Int] = []
  public private(set) var refusal: Refusal?
  /// A step could not be finished: nothing moves, and the next block in order is not there. A fault of the planner.
  public private(set) var isStuck = false
  /// KV blocks that were nowhere when they were asked for.
  public private(set) var lost = 0
  /// KV blocks written to disk, by layer.
  public private(set) var writtenBlocks: [Int]
  /// Weight parts filled from the model's file.
  public private(set) var filledParts = 0

  public init(_ workload: Workload, budgets: CoreConfiguration, spillRatio: Double = 1) {
    self.workload = workload
    self.spillRatio = spillRatio
    core = ResidencyCore(budgets)
    isHeld = Array(repeating: false, count: workload.totalBlocks)
    isGone = isHeld
    writtenBlocks = Array(repeating: 0, count: workload.layers)
    feed(.connected(kv, TenantID(0)))
    feed(.connected(weights, TenantID(0)))
    openWeights()
    let plan = SequencePlan(
      sequence: sequence, layout: workload.layout, layers: workload.layers, chunkBlocks: workload.chunkBlocks,
      totalBlocks: workload.totalBlocks, stagingSlots: max(2 * workload.chunkBlocks, workload.chunkBlocks + 1),
      ringSlots: workload.ringSlots, ordered: true, reach: workload.reach)
    request(.open(plan))
    guard refusal == nil else { return }
    name(workload.totalBlocks, in: kv, kind: 0)
  }

  /// Slots for blocks that stay, beside rings, staging and transit.
  public func keptSlots(_ tier: Tier) -> Int { core[tier].keepBytes / workload.layout.slotBytes }

  /// Blocks a worker lets go of at once.
  private static let batchBlocks = 8

  /// Reads the prompt to its end, each layer's blocks in index order.
  /// - Parameter event: something else that happens after the acquire of a step.
  /// - Returns: nil where the plan was refused, or got stuck.
  public mutating func run(event: (_ step: Int) -> Event? = { _ in nil }) -> StoreStatistics? {
    guard refusal == nil else { return nil }
    let size = workload.chunkBlocks
    for chunk in 0..<(workload.totalBlocks + size - 1) / size {
      let own = chunk * size..<min((chunk + 1) * size, workload.totalBlocks)
      for layer in 0..<workload.layers {
        beginWeights(chunk, layer)
        let first = firstBlock(layer, before: own.lowerBound)
        for part in stride(from: first, to: own.lowerBound, by: SequencePlan.maxBlocksPerRequest) {
          let end = min(part + SequencePlan.maxBlocksPerRequest, own.lowerBound)
          request(.acquire(sequence, chunk: chunk, layer: layer, blocks: part..<end))
        }
        request(.reserve(sequence, layer: layer, blocks: own))
        request(.seal(sequence, layer: layer, blocks: own))
        if let event = event(chunk * workload.layers + layer) { feed(event) }
        guard consume(first..<own.lowerBound, layer) else { return nil }
        endWeights(layer)
      }
    }
    return core.statisticsNow()
  }

  private func firstBlock(_ layer: Int, before blocks: Int) -> Int {
    guard !workload.reach.isEmpty else { return 0 }
    return workload.reach[layer].firstBlock(before: blocks, blockTokens: workload.layout.blockTokens)
  }

  /// Uses blocks in index order, and lets go of those at hand before it waits for the next, as a worker does.
  /// - Returns: whether all were had, or lost.
  private mutating func consume(_ blocks: Range<Int>, _ layer: Int) -> Bool {
    var first = blocks.lowerBound
    while first < blocks.upperBound {
      var end = first
      while end < blocks.upperBound, end - first < Self.batchBlocks, isHeld[end] {
        isHeld[end] = false
        end += 1
      }
      if end > first {
        request(.release(sequence, layer: layer, blocks: first..<end))
      } else if isGone[first] {
        end = first + 1
      } else {
        isStuck = true
        return false
      }
      first = end
    }
    for block in blocks { isGone[block] = false }
    return true
  }

  private mutating func openWeights() {
    guard !workload.weightParts.isEmpty, let largest = workload.weightParts.max(),
      let layout = BlockLayout.weights(byteCount: largest)
    else { return }
    let parts = workload.weightParts.count
    feed(
      .request(
        weights,
        .open(
          SequencePlan(
            sequence: sequence, layout: layout, layers: workload.layers, chunkBlocks: parts, totalBlocks: parts,
            stagingSlots: parts, ringSlots: 2 * parts, ordered: true))))
    guard refusal == nil else { return }
    name(parts, in: weights, kind: 1)
  }

  private mutating func name(_ count: Int, in session: SessionID, kind: UInt64) {
    for first in stride(from: 0, to: count, by: SequencePlan.maxBlocksPerRequest) {
      let end = min(first + SequencePlan.maxBlocksPerRequest, count)
      let ids = (first..<end).map { BlockID(a: kind, b: 0, c: 0, d: UInt64($0)) }
      feed(.request(session, .extend(sequence, blocks: ids)))
    }
  }

  private mutating func beginWeights(_ chunk: Int, _ layer: Int) {
    guard !workload.weightParts.isEmpty else { return }
    feed(
      .request(
        weights, .acquire(sequence, chunk: chunk, layer: layer, blocks: 0..<workload.weightParts.count)))
    for part in lostParts { feed(.request(weights, .reserve(sequence, layer: layer, blocks: part..<part + 1))) }
  }

  private mutating func endWeights(_ layer: Int) {
    for part in leasedParts { feed(.request(weights, .release(sequence, layer: layer, blocks: part..<part + 1))) }
    for part in lostParts { feed(.request(weights, .seal(sequence, layer: layer, blocks: part..<part + 1))) }
    filledParts += lostParts.count
    leasedParts.removeAll(keepingCapacity: true)
    lostParts.removeAll(keepingCapacity: true)
  }

  private mutating func request(_ request: Request) { feed(.request(kv, request)) }

  private mutating func feed(_ event: Event) {
    step(event)
    while next < pending.count {
      let command = pending[next]
      next += 1
      if let (move, outcome) = carriedOut(command) { step(.moved(move, outcome)) }
    }
    pending.removeAll(keepingCapacity: true)
    next = 0
  }

  private mutating func step(_ event: Event) {
    core.handle(event, into: &answers)
    for command in answers {
      switch command {
      case .reply(let session, let reply): take(reply, isKV: session == kv)
      case .write(_, _, let key, _, _):
        writtenBlocks[Int(key.layer)] += 1
        pending.append(command)
      case .ingest, .copy, .read: pending.append(command)
      default: break
      }
    }
    answers.removeAll(keepingCapacity: true)
  }

  private mutating func take(_ reply: Reply, isKV: Bool) {
    switch reply {
    case .refused(_, let why): refusal = why
    case .acquired(_, _, let first, let answers):
      for (index, answer) in answers.enumerated() {
        switch answer {
        case .resident: hold(first + index, isKV)
        case .lost: lose(first + index, isKV)
        case .moving: break
        }
      }
    case .ready(_, _, let block, _, _): hold(block, isKV)
    case .lost(_, _, let block): lose(block, isKV)
    default: break
    }
  }

  private mutating func hold(_ block: Int, _ isKV: Bool) {
    if isKV { isHeld[block] = true } else { leasedParts.append(block) }
  }

  private mutating func lose(_ block: Int, _ isKV: Bool) {
    guard isKV else { return lostParts.append(block) }
    lost += 1
    isGone[block] = true
  }

  private func carriedOut(_ command: Command) -> (MoveID, MoveOutcome)? {
    switch command {
    case .ingest(let move, _, _, _): (move, .ingested(checksum: 1))
    case .copy(let move, _, _, _): (move, .copied)
    case .write(let move, _, _, let layout, _):
      (move, .durable(storedBytes: Int(Double(layout.payloadBytes) / spillRatio)))
    case .read(let move, _, _, _, _): (move, .verified)
    default: nil
    }
  }
}
