import TierCore

/// A block that the current chunk writes to, in the worker's own memory.
struct OwnBlock {
  /// Index in the sequence.
  let index: Int
  /// Tokens it holds once the chunk is written: of earlier chunks too.
  let tokens: Int
  /// K then V, each [kvHead][token][headDim], as in a slot.
  let bytes: UnsafeMutableRawPointer
}

/// A past block under lease, or in the worker's own memory while blocks are computed again.
struct LeasedBlock {
  let index: Int
  let bytes: UnsafeRawPointer
  /// nil: it is the worker's own.
  let lease: Lease?

  struct Lease {
    let slot: SlotRef
    let generation: UInt64
  }
}
