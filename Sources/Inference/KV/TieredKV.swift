public import TierCore
public import TierIdentity

/// The KV cache of one sequence, kept by a store and streamed through the worker.
///
/// The forward pass drives it: `begin` a chunk; for each layer `prepare`, write K and V where `ownKey` says, `written`,
/// then `nextBatch` / `finish` until no past block is left; `end`. The last partial block stays here until it is full.
///
/// Nothing is held while something is waited for that others may have to give: staging slots are in hand before leases
/// are asked for, and a later layer's blocks only once all of this layer's are leased. Not thread-safe.
public final class TieredKV {
  /// Called with each full block of the prompt as it was computed: layer, index, K and V as they lie in a slot.
  public var onBlock: ((_ layer: Int, _ index: Int, UnsafeRawBufferPointer) -> Void)?

  /// Told what the run does, waits included. Set at `init` so that admission is in it.
  public let observer: (any RunObserver)?

  public let layout: BlockLayout
  public let layers: Int
  /// How far back each layer reads; empty where all of them read everything.
  public let reach: [LayerReach]
  var isHybrid: Bool { !reach.isEmpty }
  public let options: KVOptions
  public let sequence: SequenceID
  public internal(set) var statistics = KVStatistics()
  /// Tokens computed so far.
  public private(set) var position = 0
  /// Leading blocks that the store held in all layers when they were named.
  public internal(set) var cachedBlocks = 0

  let session: any ResidencySession
  let onQueued: (Int) -> Void
  var chain: BlockChain
  var state = State()
  /// Tokens announced so far.
  private(set) var tokens: [UInt32] = []
  var chunk = ChunkState()
  var current: LayerStep?
  var upcoming: LayerStep?
  /// The index `acquire` gives as its chunk: grows with every chunk.
  private(set) var chunkIndex = TieredKV.firstChunk
  /// What is computed again in a chunk is asked for as of the one before, which there always is: to the store, no layer is
  /// left by that, and so none passed.
  private static let firstChunk = 1
  var acquiredChunk: Int { chunk.again == nil ? chunkIndex : chunkIndex - 1 }
  /// Position of the first token that was generated, not read.
  private(set) var decodedFrom = Int.max
  /// What one request may name, by the protocol.
  static let blocksPerRequest = 1024
  /// Blocks handed to the attention at once: few enough that slots go back while others arrive.
  static let batchBlocks = 8
  static let maxAttempts = 8

  private let chunkBuffer: AlignedBuffer
  /// [layer]: the last partial block.
  private let tails: [AlignedBuffer]

  /// What the store has told so far.
  struct State {
    var staging: (arena: ArenaID, slots: Int)?
    var refusal: Refusal?
    var named = 0
    var askedNames = 0
    var sealsAwaited = 0
    var isClosed = false
    var isOpen = false
    var attempts: [Int: Int] = [:]
  }

  /// Opens a sequence and waits until it is admitted.
  /// - Parameters:
  ///   - sequence: not open in this session.
  ///   - fingerprint: of the model; names the blocks.
  ///   - reach: by layer; empty where all of them read everything.
  ///   - onQueued: told how many sequences wait before this one.
  /// - Throws: `KVError`.
  public init(
    session: any ResidencySession, sequence: SequenceID, fingerprint: ModelFingerprint, layout: BlockLayout,
    layers: Int, reach: [LayerReach] = [], options: KVOptions, observer: (any RunObserver)? = nil,
    onQueued: @escaping (Int) -> Void = { _ in }
  ) throws(KVError) {
    guard options.chunkTokens > 0, options.chunkTokens % layout.blockTokens == 0 else {
      throw .badLayout("a chunk of \(options.chunkTokens) tokens is no multiple of the block's \(layout.blockTokens)")
    }
    let chunkBlocks = options.chunkTokens / layout.blockTokens
    guard chunkBlocks <= Self.blocksPerRequest else {
      throw .badLayout(
        "a chunk of \(options.chunkTokens) tokens has \(chunkBlocks) blocks of \(layout.blockTokens), "
          + "\(Self.blocksPerRequest) are possible: smaller chunks, or larger blocks")
    }
    self.observer = observer
    self.session = session
    self.sequence = sequence
    self.layout = layout
    self.layers = layers
    self.reach = reach
    self.options = options
    self.onQueued = onQueued
    chain = BlockChain(fingerprint: fingerprint, layout: layout)
    chunkBuffer = AlignedBuffer(byteCount: chunkBlocks * layout.payloadBytes)
    tails = (0..<layers).map { _ in AlignedBuffer(byteCount: layout.payloadBytes) }
    try open(chunkBlocks: chunkBlocks)
  }

  /// Names the blocks of tokens that follow those announced before, so that the store can plan for them.
  /// - Throws: `.full`, and what the store says.
  public func announce(_ tokens: some Collection<UInt32>) throws(KVError) {
    let total = chain.tokenCount + tokens.count
    guard total <= options.maxTokens else { throw .full(tokens: total, limit: options.maxTokens) }
    let ids = chain.append(tokens)
    self.tokens += tokens
    var start = 0
    while start < ids.count {
      let end = min(start + Self.blocksPerRequest, ids.count)
      try send(.extend(sequence, blocks: Array(ids[start..<end])))
      state.askedNames += end - start
      start = end
    }
    guard !ids.isEmpty else { return }
    try wait(.names, for: "the names of \(ids.count) blocks") { $0.named >= $0.askedNames }
  }

  /// Starts after the blocks the store has already, but before the last announced token. Only before the first chunk.
  /// - Returns: the tokens that need not be computed.
  public func skipCached() -> Int {
    precondition(position == 0 && chunkIndex == Self.firstChunk, "blocks are skipped before the first chunk")
    position = min(cachedBlocks, max(0, chain.tokenCount - 1) / layout.blockTokens) * layout.blockTokens
    return position
  }

  /// Begins the chunk of the next `tokens` announced tokens. A chunk that begins within a block ends within it too.
  func begin(tokens: Int, isDecoding: Bool = false) throws(KVError) {
    if isDecoding { decodedFrom = min(decodedFrom, position) }
    begin(ChunkState(start: position, tokens: tokens, blockTokens: layout.blockTokens))
  }

  /// Begins tokens that were computed before, of one block.
  /// - Parameters:
  ///   - buffers: by layer, of a block each; what earlier tokens of the block wrote is there.
  ///   - windows: by layer, what a layer reads of the blocks before, where the store does not hold it any more.
  func beginAgain(_ positions: Range<Int>, into buffers: [AlignedBuffer], windows: [LocalWindow?] = []) {
    begin(
      ChunkState(
        start: positions.lowerBound, tokens: positions.count, blockTokens: layout.blockTokens, again: buffers,
        windows: windows))
  }

  private func begin(_ chunk: ChunkState) {
    precondition(chunk.end <= chain.tokenCount, "tokens are announced before they are computed")
    let blockTokens = layout.blockTokens
    precondition(
      chunk.start % blockTokens == 0
        ? chunk.tokens <= options.chunkTokens : chunk.end <= (chunk.start / blockTokens + 1) * blockTokens,
      "a chunk of \(chunk.tokens) tokens at \(chunk.start)")
    self.chunk = chunk
    current = nil
    upcoming = nil
  }

  /// The blocks `layer` writes in this chunk, the partial one last.
  func placeOwnBlocks(layer: Int) {
    let first = chunk.start / layout.blockTokens
    chunk.ownBlocks = (0..<chunk.ownCount).map { i in
      let filled = min(layout.blockTokens, chunk.end - (first + i) * layout.blockTokens)
      // What is partial now, or was before this chunk, is the tail.
      let isTail = filled < layout.blockTokens || chunk.start % layout.blockTokens != 0
      let fresh = isTail ? tails[layer].base : chunkBuffer.base + i * layout.payloadBytes
      return OwnBlock(index: first + i, tokens: filled, bytes: chunk.again?[layer].base ?? fresh)
    }
  }

  func makeStep(layer: Int) -> LayerStep {
    let end = chunk.start / layout.blockTokens
    let first = firstBlock(readBy: chunk.start, layer: layer)
    guard !chunk.windows.isEmpty, let window = chunk.windows[layer] else {
      return LayerStep(layer: layer, ownFull: chunk.full, pastBlocks: first..<end)
    }
    var step = LayerStep(layer: layer, ownFull: chunk.full, pastBlocks: end..<end)
    step.local = window.blocks.filter { (first..<end).contains($0.index) }
      .map { LeasedBlock(index: $0.index, bytes: UnsafeRawPointer($0.bytes.base), lease: nil) }
    return step
  }

  /// The first block that the token at `position` reads in `layer`; what follows it reads none before.
  func firstBlock(readBy position: Int, layer: Int) -> Int {
    switch isHybrid ? reach[layer] : .full {
    case .full: 0
    case .sliding(let tokens): max(0, position - tokens + 1) / layout.blockTokens
    case .chunked(let tokens): position / tokens * tokens / layout.blockTokens
    }
  }

  /// Where K of one token of the chunk's own blocks goes, for head 0; the next head is `blockTokens * headDim` elements on.
  func ownKey(token position: Int) -> UnsafeMutableRawPointer {
    let block = chunk.ownBlocks[position / layout.blockTokens - chunk.ownBlocks[0].index]
    return block.bytes + position % layout.blockTokens * layout.headDim * layout.element.sizeBytes
  }

  /// The chunk is computed in all layers.
  func end() throws(KVError) {
    if chunk.again == nil {
      position = chunk.end
      chunkIndex += 1
      statistics.chunks += 1
    }
    current = nil
    upcoming = nil
    try drain()
  }

  /// Waits until the store has taken in what was sealed, and ends the sequence; its blocks stay cached.
  /// - Throws: `KVError`. The sequence is then the session's to end.
  public func close() throws(KVError) {
    guard state.isOpen else { return }
    try wait(.seals, for: "\(state.sealsAwaited) sealed blocks to be taken in") { $0.sealsAwaited == 0 }
    state.isOpen = false
    try send(.close(sequence))
    try wait(.close, for: "the sequence to close") { $0.isClosed }
  }

  private func open(chunkBlocks: Int) throws(KVError) {
    let plan = SequencePlan(
      sequence: sequence, layout: layout, layers: layers, chunkBlocks: chunkBlocks,
      totalBlocks: max(1, options.maxTokens / layout.blockTokens),
      // One slot more than the next layer may hold: a lost block is computed again meanwhile.
      stagingSlots: max(options.stagingSlots ?? 2 * chunkBlocks, chunkBlocks + 1), ringSlots: options.ringSlots,
      ordered: options.ordered, reach: reach)
    try send(.open(plan))
    try wait(.admission, for: "admission", deadlineMs: options.admissionDeadlineMs) {
      $0.staging != nil || $0.refusal != nil
    }
    if let refusal = state.refusal { throw .refused(refusal) }
    state.isOpen = true
  }
}
