import Testing

@testable import TierCore

/// Layers that read a window or a run of tokens only: what they have passed takes no memory and no disk.
@Suite struct RetirementTests {
  private static let layout = BlockLayout(element: .bf16, kvHeads: 1, headDim: 64, blockTokens: 16)!
  private static let slot = BlockLayout.pageBytes

  private static func replay(_ reach: [LayerReach], blocks: Int, device: Int, host: Int, disk: Int = 1 << 30)
    -> PlanReplay
  {
    PlanReplay(
      .init(
        layout: layout, layers: reach.count, totalBlocks: blocks, chunkBlocks: 4, ringSlots: 2, reach: reach),
      budgets: CoreConfiguration(deviceBytes: device * slot, hostBytes: host * slot, diskBytes: disk))
  }

  /// Five windows to one full layer, as hybrid models mix them; memory for a fifth of what all blocks would take.
  @Test func blocksThatAreOutOfReachAreNeverWritten() throws {
    let reach: [LayerReach] = Array(repeating: .sliding(tokens: 96), count: 5) + [.full]
    var replay = Self.replay(reach, blocks: 128, device: 96, host: 64)
    let counted = replay.run()
    let found = try #require(counted)
    #expect(replay.lost == 0)
    #expect(Array(replay.writtenBlocks[..<5]) == [0, 0, 0, 0, 0])
    #expect(replay.writtenBlocks[5] > 0)
    // All but the last window and what the last chunk wrote.
    let left = Int(found.retired)
    #expect(left >= 5 * (128 - 96 / 16 - 1) && left < 5 * 128)
    #expect(replay.core.brokenInvariant() == nil)
  }

  @Test(arguments: [LayerReach.sliding(tokens: 100), .chunked(tokens: 100), .sliding(tokens: 1), .chunked(tokens: 64)])
  func memoryDoesNotGrowWithTheContext(reach: LayerReach) throws {
    var peaks: [Int] = []
    for blocks in [64, 512] {
      var replay = Self.replay([reach, reach], blocks: blocks, device: 64, host: 32, disk: 0)
      #expect(replay.refusal == nil)
      let counted = replay.run()
      let found = try #require(counted)
      #expect(replay.lost == 0)
      peaks.append(found.device.peakBytes)
      #expect(found.hostToDisk.blocks == 0 && found.deviceToHost.blocks == 0)
    }
    #expect(peaks[0] == peaks[1])
    // With the whole context in memory it would not be admitted.
    #expect(Self.replay([.full, .full], blocks: 512, device: 64, host: 32, disk: 0).refusal != nil)
  }

  /// Which tokens a layer reads, one by one, says which block is the first that is read.
  @Test func reachAgreesWithAttentionTokenByToken() {
    let blockTokens = 16
    for tokens in [1, 2, 15, 16, 17, 31, 32, 33, 100] {
      for blocks in 0...20 {
        let query = blocks * blockTokens
        let window = (0...query).filter { query - $0 < tokens }.min()! / blockTokens
        let run = (0...query).filter { $0 / tokens == query / tokens }.min()! / blockTokens
        #expect(LayerReach.sliding(tokens: tokens).firstBlock(before: blocks, blockTokens: blockTokens) == window)
        #expect(LayerReach.chunked(tokens: tokens).firstBlock(before: blocks, blockTokens: blockTokens) == run)
      }
    }
    #expect(LayerReach.full.firstBlock(before: 7, blockTokens: blockTokens) == 0)
  }

  @Test func theLastWindowOfAFinishedSequenceIsReused() throws {
    let reach: [LayerReach] = [.sliding(tokens: 40), .full]
    var store = Store(device: 0, host: 128)
    #expect(store.read(blocks: 32, reach: reach) == 0)
    #expect(store.read(blocks: 40, reach: reach) == 32, "its end can be gone on from")
    #expect(store.read(blocks: 20, reach: reach) == 0, "its middle cannot: the window before it is gone")
    #expect(store.read(blocks: 20, reach: [.full, .full]) == 0)
  }

  /// The first chunk has nothing to read: where nothing is acquired for it, the second's acquire is the first the store sees.
  @Test func whatTheSecondChunkReadsStaysThoughTheFirstAcquiredNothing() {
    let reach: [LayerReach] = [.sliding(tokens: 17), .full]
    var store = Store(device: 0, host: 128)
    store.open(SequenceID(1), blocks: 8, reach: reach)
    store.compute(SequenceID(1), blocks: 8, reach: reach, reservesFirst: true)
    #expect(store.core.statisticsNow().lost == 0)
    #expect(store.core.statisticsNow().retired == 6, "all but the last two: nothing was asked for after them")
    #expect(store.core.brokenInvariant() == nil)
  }

  @Test func whatAnotherSequenceHasYetToReadStays() throws {
    let reach: [LayerReach] = [.sliding(tokens: 40), .full]
    var store = Store(device: 0, host: 128)
    store.open(SequenceID(1), blocks: 32, reach: reach)
    store.open(SequenceID(2), blocks: 32, reach: reach)
    store.compute(SequenceID(1), blocks: 32, reach: reach)
    #expect(store.core.statisticsNow().retired == 0)
    store.compute(SequenceID(2), blocks: 32, reach: reach)
    #expect(store.core.statisticsNow().retired > 0)
    #expect(store.core.statisticsNow().lost == 0)
    #expect(store.core.brokenInvariant() == nil)
  }

  @Test func reachOfAnotherNumberOfLayersIsRefused() {
    let plan = SequencePlan(
      sequence: SequenceID(1), layout: Self.layout, layers: 3, chunkBlocks: 1, totalBlocks: 4, stagingSlots: 2,
      ringSlots: 1, ordered: true, reach: [.full])
    #expect(Admission.fault(in: plan) == "the reach of 1 of 3 layers")
    #expect(Admission.fault(in: plan.with([.full, .sliding(tokens: 0), .full])) == "a sliding window of 0 tokens")
    #expect(Admission.fault(in: plan.with([.full, .full, .chunked(tokens: -1)])) == "attention chunks of -1 tokens")
    #expect(Admission.fault(in: plan.with([.full, .full, .chunked(tokens: 1)])) == nil)
  }
}

extension SequencePlan {
  fileprivate func with(_ reach: [LayerReach]) -> SequencePlan {
    SequencePlan(
      sequence: sequence, layout: layout, layers: layers, chunkBlocks: chunkBlocks, totalBlocks: totalBlocks,
      stagingSlots: stagingSlots, ringSlots: ringSlots, ordered: ordered, reach: reach)
  }
}

/// A core whose moves end at once, and one worker that reads prompts which begin alike.
private struct Store {
  var core: ResidencyCore
  private var cached = 0
  private var isHeld: Set<Int> = []
  private let session = SessionID(1)
  private let layout = BlockLayout(element: .bf16, kvHeads: 1, headDim: 64, blockTokens: 16)!

  init(device: Int, host: Int) {
    core = ResidencyCore(
      CoreConfiguration(deviceBytes: device * 4096, hostBytes: host * 4096, diskBytes: 0))
    feed(.connected(session, TenantID(0)))
  }

  /// Opens, computes and closes one. Returns how many of its blocks were there.
  mutating func read(blocks: Int, reach: [LayerReach]) -> Int {
    open(SequenceID(1), blocks: blocks, reach: reach)
    let found = cached
    compute(SequenceID(1), blocks: blocks, reach: reach)
    feed(.request(session, .close(SequenceID(1))))
    return found
  }

  mutating func open(_ id: SequenceID, blocks: Int, reach: [LayerReach]) {
    let plan = SequencePlan(
      sequence: id, layout: layout, layers: reach.count, chunkBlocks: 1, totalBlocks: blocks, stagingSlots: 2,
      ringSlots: 1, ordered: true, reach: reach)
    feed(.request(session, .open(plan)))
    feed(.request(session, .extend(id, blocks: (0..<blocks).map { BlockID(a: 0, b: 0, c: 0, d: UInt64($0)) })))
  }

  /// - Parameter reservesFirst: and acquires nothing where there is nothing to acquire.
  mutating func compute(_ id: SequenceID, blocks: Int, reach: [LayerReach], reservesFirst: Bool = false) {
    for chunk in min(cached, blocks)..<blocks {
      for (layer, layerReach) in reach.enumerated() {
        let past = layerReach.firstBlock(before: chunk, blockTokens: 16)..<chunk
        let reserve = Event.request(session, .reserve(id, layer: layer, blocks: chunk..<chunk + 1))
        let acquire = Event.request(session, .acquire(id, chunk: chunk, layer: layer, blocks: past))
        if !reservesFirst { feed(acquire) }
        feed(reserve)
        if reservesFirst, !past.isEmpty { feed(acquire) }
        if isReserved { feed(.request(session, .seal(id, layer: layer, blocks: chunk..<chunk + 1))) }
        for block in past where isHeld.remove(block) != nil {
          feed(.request(session, .release(id, layer: layer, blocks: block..<block + 1)))
        }
      }
    }
  }

  private var isReserved = false

  private mutating func feed(_ event: Event) {
    for command in core.handle(event) {
      switch command {
      case .ingest(let move, _, _, _): feed(.moved(move, .ingested(checksum: 1)))
      case .copy(let move, _, _, _): feed(.moved(move, .copied))
      case .reply(_, .extended(_, _, let cachedBlocks)): cached = cachedBlocks
      case .reply(_, .reserved(_, _, _, let staged)): isReserved = staged != [.duplicate]
      case .reply(_, .acquired(_, _, let first, let states)):
        for (block, state) in states.enumerated() {
          if case .resident = state { isHeld.insert(first + block) }
        }
      default: break
      }
    }
  }
}
