/// How many tokens to prefill at once, and why.
public struct ChunkSize: Sendable, Hashable {
  /// Something that bounds the chunk.
  public struct Limit: Sendable, Hashable {
    public enum Kind: String, Sendable {
      /// The field's table, by device memory (design brief, section 1).
      case table
      /// Activations take no more than half of what the ring leaves of the device.
      case activations
      /// Two chunks' blocks of a layer, staged on the host, take no more than a quarter of it.
      case staging
      /// The sequence is no longer.
      case sequence
      /// At least so much, that a layer's weights arrive while the layer before is computed.
      case weights
    }
    public let kind: Kind
    public let tokens: Int
    public let isLeast: Bool
    public let why: String
  }

  /// What the choice is made for.
  public struct Case: Sendable {
    public var model: ModelShape
    public var contextTokens: Int
    public var blockTokens: Int
    /// Of the tier that is computed on.
    public var computeBytes: Int
    public var hostBytes: Int
    /// Whether weights come from the host, or from a file, while they are needed.
    public var streamsWeights: Bool
    public var linkBytesPerSecond: Double
    public var flopsPerSecond: Double

    public init(
      model: ModelShape, contextTokens: Int, blockTokens: Int = 256, computeBytes: Int, hostBytes: Int,
      streamsWeights: Bool = false, linkBytesPerSecond: Double = 8e9, flopsPerSecond: Double = 4e11
    ) {
      self.model = model
      self.contextTokens = contextTokens
      self.blockTokens = blockTokens
      self.computeBytes = computeBytes
      self.hostBytes = hostBytes
      self.streamsWeights = streamsWeights
      self.linkBytesPerSecond = linkBytesPerSecond
      self.flopsPerSecond = flopsPerSecond
    }
  }

  public let tokens: Int
  /// The limit that decided.
  public let binding: Limit.Kind
  public let limits: [Limit]

  /// Smaller chunks than this leave processors idle.
  public static let least = 512

  /// The table's answer: 16 GiB of memory 16384, 24 GiB 32768, 40 GiB and more 65536; below, in proportion.
  static func table(_ bytes: Int) -> Int {
    switch bytes {
    case (40 << 30)...: 65536
    case (24 << 30)...: 32768
    case (16 << 30)...: 16384
    default: powerOfTwo(notAbove: max(least, 16384 * (bytes >> 20) / (16 << 10)))
    }
  }

  private static func powerOfTwo(notAbove value: Int) -> Int {
    var power = 1
    while power * 2 <= value { power *= 2 }
    return power
  }

  public init(_ given: Case) {
    let model = given.model
    let slotBytes = max(1, model.kvBytesPerToken / model.layers * given.blockTokens)
    let ring = min(given.computeBytes / Admission.ringShare, Admission.ringSlotsPreferred * slotBytes)
    let free = max(0, given.computeBytes - ring)
    let perToken = model.activationBytesPerToken
    let staged = max(1, 2 * model.kvBytesPerToken / model.layers)
    var limits = [
      Limit(
        kind: .table, tokens: Self.table(given.computeBytes), isLeast: false,
        why: "\(ByteCount.text(given.computeBytes)) of memory to compute on"),
      Limit(
        kind: .activations, tokens: free / 2 / perToken, isLeast: false,
        why: "\(ByteCount.text(perToken)) of activations a token, in half of the \(ByteCount.text(free)) beside "
          + "the ring"),
      Limit(
        kind: .staging, tokens: given.hostBytes / 4 / staged, isLeast: false,
        why: "two chunks' K and V of a layer in a quarter of the host's \(ByteCount.text(given.hostBytes))"),
      Limit(
        kind: .sequence, tokens: given.contextTokens, isLeast: false, why: "the sequence has no more tokens"),
    ]
    if given.streamsWeights {
      // A parameter is moved once and used for two operations a token.
      let tokens = given.flopsPerSecond / 2 * Double(model.element.sizeBytes) / given.linkBytesPerSecond
      limits.append(
        Limit(
          kind: .weights, tokens: Int(min(tokens, 1e9)), isLeast: true,
          why: "a layer's \(ByteCount.text(model.layerWeightBytes)) of weights arrive while a layer is computed"))
    }
    let bounds = limits.filter { !$0.isLeast && $0.kind != .table }
    let upper = bounds.min { $0.tokens < $1.tokens }!
    let table = limits[0]
    let least = limits.first { $0.isLeast }
    let wanted = max(table.tokens, least?.tokens ?? 0)
    let chosen = min(wanted, upper.tokens)
    // At least a block; a sequence's last block counts whole.
    let block = given.blockTokens
    let rounded = upper.kind == .sequence && chosen == upper.tokens ? (chosen + block - 1) / block : chosen / block
    tokens = max(1, rounded) * block
    binding = chosen < wanted ? upper.kind : (least.map { $0.tokens > table.tokens } ?? false) ? .weights : .table
    self.limits = limits
  }
}
