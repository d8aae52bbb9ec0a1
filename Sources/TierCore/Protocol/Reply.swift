/// What the store tells a worker.
public enum Reply: Sendable, Hashable {
  /// The sequence may run. Its staging slots are in `staging`, writable by this worker alone.
  case admitted(SequenceID, staging: ArenaID, stagingSlots: Int)
  /// The sequence waits behind `ahead` others for memory; `admitted` or `refused` follows.
  case queued(SequenceID, ahead: Int)
  /// The sequence cannot run. It is not open.
  case refused(SequenceID, Refusal)
  /// The blocks are named; the first `cachedBlocks` of the sequence are held in all layers.
  case extended(SequenceID, named: Int, cachedBlocks: Int)
  /// Where to write each block of a `reserve`, in order; `duplicate` where the block is sealed already.
  case reserved(SequenceID, layer: Int, first: Int, [Staged])
  /// Sealed blocks in RAM: their staging slots are free again. A block sealed before by another is `duplicate`.
  case sealed(SequenceID, layer: Int, block: Int, SealOutcome)
  /// The block is on disk for good.
  case durable(SequenceID, layer: Int, block: Int)
  /// The state of each block of an `acquire`, in order. `resident` ones are leased.
  case acquired(SequenceID, layer: Int, first: Int, [Residence])
  /// A block that was `moving` is leased now.
  case ready(SequenceID, layer: Int, block: Int, SlotRef, generation: UInt64)
  /// A block that was `moving` cannot be had: compute it again from its tokens.
  case lost(SequenceID, layer: Int, block: Int)
  case closed(SequenceID)
  /// The request broke the rules; the session ends.
  case violation(Violation)
}

public enum Staged: Sendable, Hashable {
  case slot(UInt32)
  case duplicate
}

public enum SealOutcome: Sendable, Hashable {
  case accepted
  case duplicate
  /// The store had to let the block go before it could take it (its memory or disk failed): it is as if never sealed.
  case dropped
}

public enum Residence: Sendable, Hashable {
  case resident(SlotRef, generation: UInt64)
  case moving
  case lost
}
