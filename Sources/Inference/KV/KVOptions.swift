/// How a sequence uses the store.
public struct KVOptions: Sendable, Hashable {
  /// Attend past blocks in index order, so that the result does not depend on residency, bit for bit.
  public var ordered = false
  /// Tokens of a prefill chunk at most: a multiple of the block's.
  public var chunkTokens: Int
  /// Tokens the sequence may grow to, the prompt's and the generated.
  public var maxTokens: Int
  /// Slots of the compute tier through which blocks stream that are not kept there.
  public var ringSlots = 8
  /// Staging slots; nil: two chunks' blocks of a layer, so that one is written while the other is taken in.
  public var stagingSlots: Int?
  /// How long nothing may come from the store while something is awaited.
  public var stallDeadlineMs = 60_000
  /// The same for admission, which waits for other sequences to end.
  public var admissionDeadlineMs = 600_000

  public init(chunkTokens: Int, maxTokens: Int) {
    self.chunkTokens = chunkTokens
    self.maxTokens = maxTokens
  }
}
