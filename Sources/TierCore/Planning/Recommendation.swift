/// What to expect of a prompt on a machine: the chunk, the memory, the traffic, and what bounds it.
public struct Recommendation: Sendable {
  /// Budgets and speeds.
  public struct Machine: Sendable {
    public var deviceBytes: Int
    public var hostBytes: Int
    public var diskBytes: Int
    public var linkBytesPerSecond: Double
    public var diskBytesPerSecond: Double
    public var flopsPerSecond: Double

    public init(
      deviceBytes: Int, hostBytes: Int, diskBytes: Int, linkBytesPerSecond: Double, diskBytesPerSecond: Double,
      flopsPerSecond: Double
    ) {
      self.deviceBytes = deviceBytes
      self.hostBytes = hostBytes
      self.diskBytes = diskBytes
      self.linkBytesPerSecond = linkBytesPerSecond
      self.diskBytesPerSecond = diskBytesPerSecond
      self.flopsPerSecond = flopsPerSecond
    }
  }

  public enum Resource: String, Sendable { case compute, link, disk }

  public let chunk: ChunkSize
  /// Peaks and moves, from a replay on the planner; nil where the plan is refused.
  public let replay: StoreStatistics?
  public let refusal: Refusal?
  /// Bytes of weights packed again from the file while reading.
  public let refilledWeightBytes: Int
  /// Seconds each resource is busy with the prefill, side by side.
  public let seconds: [Resource: Double]

  /// What takes longest.
  public var binding: Resource {
    [Resource.compute, .link, .disk].max { seconds[$0] ?? 0 < seconds[$1] ?? 0 }!
  }

  /// Original over stored bytes of bf16 KV (docs/spill-format.md).
  static let spillRatio = 1.47
  /// Parts of a layer's weights at most this large: what the worker cuts them into.
  static let weightPartBytes = 32 << 20

  /// - Parameter managesWeights: whether weights share the budgets.
  public init(
    _ model: ModelShape, contextTokens: Int, blockTokens: Int, machine: Machine, managesWeights: Bool,
    chunkTokens fixed: Int? = nil
  ) {
    let compute = machine.deviceBytes > 0 ? machine.deviceBytes : machine.hostBytes
    let chosen = ChunkSize(
      .init(
        model: model, contextTokens: contextTokens, blockTokens: blockTokens, computeBytes: compute,
        hostBytes: machine.hostBytes, streamsWeights: managesWeights && model.weightBytes > compute,
        linkBytesPerSecond: machine.linkBytesPerSecond, flopsPerSecond: machine.flopsPerSecond))
    chunk = chosen
    let chunkTokens = fixed ?? chosen.tokens
    let layout = BlockLayout(
      element: model.element, kvHeads: model.kvHeads, headDim: model.headDim, blockTokens: blockTokens)!
    let parts = (model.layerWeightBytes + Self.weightPartBytes - 1) / Self.weightPartBytes
    var replay = PlanReplay(
      .init(
        layout: layout, layers: model.layers, totalBlocks: max(1, contextTokens / blockTokens),
        chunkBlocks: max(1, min(chunkTokens, contextTokens + blockTokens - 1) / blockTokens),
        weightParts: managesWeights ? [Int](repeating: model.layerWeightBytes / parts, count: parts) : []),
      budgets: CoreConfiguration(
        deviceBytes: machine.deviceBytes, hostBytes: machine.hostBytes, diskBytes: machine.diskBytes),
      spillRatio: Self.spillRatio)
    let counted = replay.run()
    self.replay = counted
    refusal = replay.refusal
    let filled = managesWeights ? max(0, replay.filledParts - model.layers * parts) : 0
    refilledWeightBytes = filled * (model.layerWeightBytes / parts)
    let flops = Double(contextTokens) * Double(model.flopsPerToken(position: contextTokens / 2))
    seconds = [
      .compute: flops / machine.flopsPerSecond,
      .link: Double(max(counted?.hostToDevice.bytes ?? 0, counted?.deviceToHost.bytes ?? 0))
        / machine.linkBytesPerSecond,
      .disk: Double((counted?.diskToHost.bytes ?? 0) + (counted?.hostToDisk.bytes ?? 0) + refilledWeightBytes)
        / machine.diskBytesPerSecond,
    ]
  }
}
