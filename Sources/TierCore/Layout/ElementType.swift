/// The type of one number in a block, as it lies in memory. Raw values are part of the block-id rule and of the
/// spill format: they never change.
public enum ElementType: UInt8, Sendable, Hashable, CaseIterable {
  case f32 = 0
  case bf16 = 1
  case f16 = 2
  /// Bytes of a weight shard, in the worker's own packing. Droppable: a worker fills it again from its model file, so it
  /// is never spilled.
  case weights = 254
  /// Any other bytes (fp8, int8): moved and kept, never interpreted.
  case opaque = 255

  /// Bytes of one element; 1 for `opaque` and `weights`.
  public var sizeBytes: Int {
    switch self {
    case .f32: 4
    case .bf16, .f16: 2
    case .opaque, .weights: 1
    }
  }
}
