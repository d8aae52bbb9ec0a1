import Testing
import TierTesting

@testable import TierCore

/// Blocks whose next use nobody knows: what is used often stays, and a scan does not push it out.
@Suite struct ClassicPolicyTests {
  private static let layout = BlockLayout(element: .bf16, kvHeads: 1, headDim: 64, blockTokens: 16)!
  private static let blocks = 400
  private static let slots = 64

  /// Few blocks are used often; between them, runs of blocks are used once.
  private static func accesses(seed: UInt64) -> [Int] {
    var random = SeededRandom(seed: seed)
    var accesses: [Int] = []
    var scanned = 80
    while accesses.count < 6000 {
      if random.once(in: 30) {
        for _ in 0..<60 {
          accesses.append(scanned)
          scanned = scanned + 1 < blocks ? scanned + 1 : 80
        }
      } else {
        accesses.append(random.int(0...random.int(1...79)))
      }
    }
    return accesses
  }

  @Test(arguments: [UInt64(1), 2, 3])
  func scansDoNotPushOutWhatIsUsedOften(seed: UInt64) throws {
    let accesses = Self.accesses(seed: seed)
    var reader = UnplannedReader(blocks: Self.blocks, slots: Self.slots)
    var hits = 0
    for block in accesses where reader.use(block) { hits += 1 }
    #expect(reader.core.brokenInvariant() == nil)
    let kept = reader.core[.host].keepBytes / Self.layout.slotBytes
    let lru = Self.lruHits(accesses, slots: kept)
    print("S3-FIFO \(hits), LRU \(lru) of \(accesses.count) with \(kept) slots")
    #expect(hits * 10 > lru * 11)
  }

  private static func lruHits(_ accesses: [Int], slots: Int) -> Int {
    var recent: [Int] = []
    var hits = 0
    for block in accesses {
      if let place = recent.firstIndex(of: block) {
        hits += 1
        recent.remove(at: place)
      } else if recent.count == slots {
        recent.removeFirst()
      }
      recent.append(block)
    }
    return hits
  }

  /// A plan is certain: its blocks stay before those of a sequence without one.
  @Test func whatIsPlannedStaysBeforeWhatIsNot() throws {
    var reader = UnplannedReader(blocks: 64, slots: 96)
    for block in 0..<64 { _ = reader.use(block) }
    let before = reader.residentBlocks(named: 0)
    reader.readPlanned(blocks: 60)
    #expect(reader.residentBlocks(named: 1) == 60)
    #expect(reader.residentBlocks(named: 0) < before)
  }
}

/// One sequence whose plan gives no order, on a store of host and disk.
private struct UnplannedReader {
  var core: ResidencyCore
  private let session = SessionID(1)
  private let sequence = SequenceID(1)
  private let layout = BlockLayout(element: .bf16, kvHeads: 1, headDim: 64, blockTokens: 16)!
  private var isHeld = false
  private var step = 0

  init(blocks: Int, slots: Int) {
    core = ResidencyCore(
      CoreConfiguration(
        deviceBytes: 0, hostBytes: slots * BlockLayout.pageBytes, diskBytes: 1 << 30,
        extentBytes: 16 * BlockLayout.pageBytes))
    feed(.connected(session, TenantID(0)))
    open(sequence, blocks: blocks, chunkBlocks: 0, name: 0)
    for block in 0..<blocks { write(sequence, block) }
  }

  private mutating func open(_ id: SequenceID, blocks: Int, chunkBlocks: Int, name: UInt64) {
    feed(
      .request(
        session,
        .open(
          SequencePlan(
            sequence: id, layout: layout, layers: 1, chunkBlocks: chunkBlocks, totalBlocks: blocks, stagingSlots: 1,
            ringSlots: 1, ordered: true))))
    feed(.request(session, .extend(id, blocks: (0..<blocks).map { BlockID(a: name, b: 0, c: 0, d: UInt64($0)) })))
  }

  private mutating func write(_ id: SequenceID, _ block: Int) {
    feed(.request(session, .reserve(id, layer: 0, blocks: block..<block + 1)))
    feed(.request(session, .seal(id, layer: 0, blocks: block..<block + 1)))
  }

  /// Whether the block was in memory.
  mutating func use(_ block: Int) -> Bool {
    let hits = core.statisticsNow().hits
    isHeld = false
    feed(.request(session, .acquire(sequence, chunk: step, layer: 0, blocks: block..<block + 1)))
    step += 1
    precondition(isHeld, "moves end at once")
    feed(.request(session, .release(sequence, layer: 0, blocks: block..<block + 1)))
    return core.statisticsNow().hits > hits
  }

  mutating func readPlanned(blocks: Int) {
    let id = SequenceID(2)
    open(id, blocks: blocks, chunkBlocks: 1, name: 1)
    for block in 0..<blocks {
      feed(.request(session, .acquire(id, chunk: block, layer: 0, blocks: 0..<0)))
      write(id, block)
    }
  }

  func residentBlocks(named name: UInt64) -> Int {
    core.allBlocks().count { $0.key.id.a == name && $0.tiers.contains(.host) }
  }

  private mutating func feed(_ event: Event) {
    for command in core.handle(event) {
      switch command {
      case .ingest(let move, _, _, _): feed(.moved(move, .ingested(checksum: 1)))
      case .write(let move, _, _, _, _): feed(.moved(move, .durable(storedBytes: BlockLayout.pageBytes)))
      case .read(let move, _, _, _, _): feed(.moved(move, .verified))
      case .reply(_, .acquired(_, _, _, let states)):
        if case .resident? = states.first { isHeld = true }
      case .reply(_, .ready): isHeld = true
      default: break
      }
    }
  }
}
