public import ModelFiles
public import TierCore
public import TierIdentity

/// A model's weights: what is small here, the matrices with a keeper. Embedding rows stay in the file.
public struct DecoderWeights: Sendable {
  public let config: ModelConfig
  let vectors: [LayerVectors]
  /// [hidden]
  let finalNorm: AlignedBuffer
  /// [vocab, hidden]
  let embedding: WeightRows
  /// The outputs of each piece of the head, which is [vocab, hidden].
  let headPieces: [Range<Int>]
  let keeper: any WeightKeeper
  private let source: any WeightSource

  /// Rows of the embedding are read as they are needed, and the fingerprint, which names the blocks, is of the file as it was
  /// opened: what was read counts only once this has passed.
  /// - Throws: `ModelFileError`.
  func checkUnchanged() throws { try source.checkUnchanged() }

  /// What is waited for, and packed again, from now on goes to the observer.
  public func observe(_ observer: any RunObserver) { keeper.observe(observer) }

  /// Reads and packs every tensor into the worker's own memory.
  /// - Parameters:
  ///   - decodesFromFile: a decoded token's products read quantised weights where they lie in the file: a third of the
  ///     bytes, and bits of their own.
  ///   - progress: told the layers read so far, of how many.
  /// - Throws: `ModelFileError` where a tensor is missing or has another shape, `ComputeError`.
  public init(
    config: ModelConfig, source: any WeightSource, compute: Compute, decodesFromFile: Bool = false,
    progress: (_ done: Int, _ of: Int) -> Void = { _, _ in }
  ) throws {
    let shards = try DecoderShards(config: config, source: source, compute: compute)
    let keeper = try PrivateWeights(
      shards, compute: compute, readsFile: decodesFromFile, progress: progress)
    try self.init(shards, source: source, keeper: keeper)
  }

  /// Keeps the matrices in a store, under its budgets; what it lets go is packed again from the file when needed.
  /// - Parameters:
  ///   - fingerprint: of the model; names the shards.
  ///   - sessions: two of the store, for these weights alone, as long as they are used.
  ///   - mayWait: for room in the store; else `KVError.noRoom` says that there is none now.
  ///   - progress: told the layers that are in the store, of how many.
  /// - Throws: `ModelFileError`, `ComputeError`, `KVError`.
  public init(
    config: ModelConfig, source: any WeightSource, compute: Compute, fingerprint: ModelFingerprint,
    sessions: (layers: any ResidencySession, head: any ResidencySession), mayWait: Bool = true,
    progress: (_ done: Int, _ of: Int) -> Void = { _, _ in }
  ) throws {
    let shards = try DecoderShards(config: config, source: source, compute: compute)
    let managed = try ManagedWeights(
      shards, file: source, fingerprint: fingerprint, sessions: sessions, mayWait: mayWait, compute: compute)
    try managed.fillAll(progress: progress)
    try self.init(shards, source: source, keeper: managed)
  }

  init(_ shards: DecoderShards, source: any WeightSource, keeper: any WeightKeeper) throws {
    let config = shards.config
    self.config = config
    self.source = source
    self.keeper = keeper
    headPieces = shards.head.map(\.outputs)
    embedding = shards.embedding
    let final = WeightRows(tensor: try source.tensor(TensorName.finalNorm, shape: [config.hidden])).vector()
    final.add(config.normOffset)
    finalNorm = final
    vectors = try (0..<config.layers).map { try LayerVectors(layer: $0, config: config, source: source) }
    try checkUnchanged()
  }
}

/// The matrices of one layer. Shapes as [outputs, inputs].
struct LayerMatrices: Sendable {
  /// [queryWidth + 2 * kvWidth, hidden]: q, k and v below one another, whole heads to a panel.
  let queryKeyValue: PackedMatrix
  /// [hidden, queryWidth]
  let attentionOutput: PackedMatrix
  /// What every token goes through.
  let feedForward: FeedForwardMatrices
  /// [experts, hidden]; nil where the layer has none.
  let router: PackedMatrix?
  let experts: [FeedForwardMatrices]
}

/// A gated feed-forward.
struct FeedForwardMatrices: Sendable {
  /// [2 * width, hidden]: each panel holds some rows of gate and then the same rows of up.
  let gateUp: PackedMatrix
  /// [hidden, width]
  let down: PackedMatrix
  var width: Int { down.inputs }
}

/// Has the matrices when they are needed. Used by one thread; what it hands out is read by all.
protocol WeightKeeper: AnyObject, Sendable {
  /// The matrices of a layer, until `endLayer`. Not nested.
  func beginLayer(_ layer: Int) throws -> LayerMatrices
  /// - Throws: where the bytes were not the layer's all the time: the result is void.
  func endLayer(_ layer: Int) throws
  /// A piece of the head, until `endHead`.
  func beginHead(_ piece: Int) throws -> PackedMatrix
  func endHead(_ piece: Int) throws
  /// Called before the first layer of a run begins.
  func observe(_ observer: any RunObserver)
}
