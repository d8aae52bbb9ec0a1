/// Names a sequence within its session; chosen by the worker, never reused while open.
public struct SequenceID: Sendable, Hashable {
  public let rawValue: UInt32
  public init(_ rawValue: UInt32) { self.rawValue = rawValue }
}

/// What a worker declares before it touches anything: the shape of the sequence and the least it needs to make a step.
/// The ids of the sequence's blocks follow in parts (`Request.extend`), so that no message grows with the context.
public struct SequencePlan: Sendable, Hashable {
  public let sequence: SequenceID
  public let layout: BlockLayout
  public let layers: Int
  /// Blocks in a full prefill chunk of one layer; 0 where nothing is known of the order in which blocks are used.
  public let chunkBlocks: Int
  /// Full blocks the sequence will have when all it plans for is read: what `extend` may name at most.
  public let totalBlocks: Int
  /// Staging slots the worker wants: at least one chunk's blocks of one layer.
  public let stagingSlots: Int
  /// Slots of the compute tier through which blocks stream that are not kept there: at least 1.
  public let ringSlots: Int
  /// Blocks are used in index order (`--ordered`): nothing later may take a slot an earlier block waits for.
  public let ordered: Bool
  /// How far back each layer reads; empty where all of them read everything.
  public let reach: [LayerReach]

  var isHybrid: Bool { !reach.isEmpty }
  /// Whether what is used next can be told.
  var isPlanned: Bool { chunkBlocks > 0 }

  public static let maxLayers = 1024
  /// Blocks of all layers together.
  public static let maxBlocks = 1 << 22
  public static let maxStagingSlots = 1 << 14
  public static let maxRingSlots = 1 << 10
  public static let maxChunks = 1 << 40
  /// Blocks one `extend` may name, one `reserve`, `seal`, `acquire` or `release` may cover.
  public static let maxBlocksPerRequest = 1024

  public init(
    sequence: SequenceID, layout: BlockLayout, layers: Int, chunkBlocks: Int, totalBlocks: Int, stagingSlots: Int,
    ringSlots: Int, ordered: Bool, reach: [LayerReach] = []
  ) {
    self.sequence = sequence
    self.layout = layout
    self.layers = layers
    self.chunkBlocks = chunkBlocks
    self.totalBlocks = totalBlocks
    self.stagingSlots = stagingSlots
    self.ringSlots = ringSlots
    self.ordered = ordered
    self.reach = reach
  }
}
