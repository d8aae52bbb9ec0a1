import FoundationEssentials
import Inference
import ModelFiles
import TierCore
import TierIdentity

/// A model on disk and how it is to be read. What can be refused is refused here, before weights are loaded: that takes
/// long.
struct Reader {
  let checkpoint: Checkpoint
  private let options: SharedOptions
  private let type: ComputeType
  private let threads: Int
  private let layout: BlockLayout
  /// Tokens of a chunk; nil: as the store's budgets advise.
  private let chunkTokens: Int?

  init(_ options: SharedOptions) throws {
    self.options = options
    chunkTokens = try options.chunkTokens()
    type = try options.computeType()
    threads = options.threads ?? max(1, ProcessInfo.processInfo.activeProcessorCount)
    guard (1...256).contains(threads) else { throw WorkerFault.usage("--threads \(threads): 1 to 256 are possible") }
    guard !options.decodeQuantized || options.weights == .private else {
      throw WorkerFault.usage("--decode-quantized reads weights from the file: it needs --weights private")
    }
    checkpoint = try Checkpoint(path: options.model)
    ShortenedFile.watch(checkpoint.weights.mappedFiles)
    guard let layout = Transformer.layout(of: checkpoint.config, type: type, blockTokens: options.blockTokens) else {
      throw WorkerFault.usage(
        "a block of \(options.blockTokens) tokens of this model is too large: fewer --block-tokens")
    }
    self.layout = layout
  }

  /// Refuses tokens the model does not have, and more than it was trained to read.
  /// - Parameter growth: tokens that may follow these.
  func check(_ tokens: [UInt32], growth: Int = 0, beyondContext: Bool) throws {
    if tokens.isEmpty { throw WorkerFault.usage("the prompt is empty: there is nothing to read") }
    if let wrong = tokens.first(where: { $0 >= checkpoint.config.vocab }) {
      throw WorkerFault.usage(
        "token id \(wrong) is out of range: the model's ids are 0 to \(checkpoint.config.vocab - 1)")
    }
    let context = checkpoint.config.context
    guard tokens.count + growth <= context || beyondContext else {
      let answer = growth > 0 ? " and an answer of \(growth)" : ""
      throw WorkerFault.usage(
        "\(tokens.count) tokens\(answer) are more than the model's context of \(context): shorten the prompt, "
          + "or allow it with --beyond-context")
    }
  }

  /// What one chunk of a prompt of so many tokens takes: no more than all of it, so that a large chunk size costs a short
  /// prompt no memory.
  private func chunkTokens(for tokens: Int, _ store: Store) throws -> Int {
    let whole = (tokens + layout.blockTokens - 1) / layout.blockTokens * layout.blockTokens
    if let chunkTokens { return min(chunkTokens, whole) }
    let config = checkpoint.config
    let budgets = try store.session.statistics()
    let (device, host) = (budgets.device.budgetBytes, budgets.host.budgetBytes)
    let shape = ModelShape(
      layers: config.layers, hidden: config.hidden, intermediate: config.intermediate, queryHeads: config.queryHeads,
      kvHeads: config.kvHeads, headDim: config.headDim, vocab: config.vocab, element: layout.element)
    let compute = device > 0 ? device : host
    return ChunkSize(
      .init(
        model: shape, contextTokens: tokens, blockTokens: layout.blockTokens, computeBytes: compute, hostBytes: host,
        streamsWeights: options.weights != .private && shape.weightBytes > compute)
    ).tokens
  }

  /// Opens a sequence for a prompt, and waits until the store admits it.
  func open(
    _ store: Store, prompt: Int, growth: Int = 0, observer: (any RunObserver)? = nil
  ) throws -> TieredKV {
    var kv = KVOptions(chunkTokens: try chunkTokens(for: prompt, store), maxTokens: prompt + growth)
    kv.ordered = options.ordered
    return try TieredKV(
      session: store.session, sequence: SequenceID(1), fingerprint: fingerprint, layout: layout,
      layers: checkpoint.config.layers, reach: checkpoint.config.reach, options: kv, observer: observer,
      onQueued: { ahead in Terminal.error("waiting for memory behind \(ahead) other sequences\n") })
  }

  private var fingerprint: ModelFingerprint {
    checkpoint.fingerprint(cache: FingerprintCache(environment: ProcessInfo.processInfo.environment))
  }

  /// Loads the weights, or sees that the store has them.
  /// - Parameters:
  ///   - kv: whose chunks the model is to compute.
  ///   - trace: follows the sessions the weights are in, and what is waited for there.
  func load(_ store: Store, for kv: TieredKV, trace: RunTrace? = nil) throws -> Transformer {
    let compute = try Compute(type: type, threadCount: threads)
    let bar = ProgressBar(label: "loading")
    defer { bar.clear() }
    let (config, source) = (checkpoint.config, checkpoint.weights)
    let progress = { (done: Int, of: Int) in bar.show(done, of: of, note: "layers") }
    let weights =
      try manage(store, compute, trace, progress)
      ?? DecoderWeights(
        config: config, source: source, compute: compute, decodesFromFile: options.decodeQuantized, progress: progress)
    if let trace { weights.observe(trace) }
    return Transformer(weights: weights, compute: compute, layout: layout, maxTokens: kv.options.chunkTokens)
  }

  /// The weights in the store; nil where they are to be private, or `auto` finds no room.
  private func manage(
    _ store: Store, _ compute: Compute, _ trace: RunTrace?, _ progress: (_ done: Int, _ of: Int) -> Void
  ) throws -> DecoderWeights? {
    guard options.weights != .private else { return nil }
    let sessions = (layers: try store.newSession(), head: try store.newSession())
    do {
      for session in [sessions.layers, sessions.head] { try trace?.follow(session, "weights") }
      return try DecoderWeights(
        config: checkpoint.config, source: checkpoint.weights, compute: compute, fingerprint: fingerprint,
        sessions: sessions, mayWait: options.weights == .managed,
        progress: { done, of in
          progress(done, of)
          trace?.gather()
        })
    } catch let error as KVError {
      guard options.weights == .auto, error.leavesWeightsPrivate else { throw error }
      store.endOthers()
      Terminal.error("the weights stay in this process: \(error.message)\n")
      return nil
    }
  }
}

extension KVError {
  /// Nothing is wrong but that the store has no place for weights.
  fileprivate var leavesWeightsPrivate: Bool {
    switch self {
    case .noRoom, .refused: true
    default: false
    }
  }
}
