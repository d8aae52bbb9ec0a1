/// What a worker asks. Blocks are addressed as (sequence, layer, block index) once a plan has named them.
/// One vocabulary for the core, the wire and every client.
public enum Request: Sendable, Hashable {
  /// Declares a sequence. Answered by `admitted`, now or when its turn comes, or by `refused`.
  case open(SequencePlan)
  /// Names further blocks of the sequence, in order, after those named before. Answered by `extended`.
  case extend(SequenceID, blocks: [BlockID])
  /// Asks for staging slots for blocks of one layer. Answered by `reserved`, when all of them can be had.
  case reserve(SequenceID, layer: Int, blocks: Range<Int>)
  /// The staged bytes of a block are complete. Answered by `sealed`, once per block.
  case seal(SequenceID, layer: Int, blocks: Range<Int>)
  /// Asks for leases on blocks of one layer, in the order of the range, for prefill chunk `chunk`.
  /// Answered by `acquired`; what was `moving` in it follows as `ready` or `lost`, each block once.
  case acquire(SequenceID, chunk: Int, layer: Int, blocks: Range<Int>)
  /// Ends leases. Not answered.
  case release(SequenceID, layer: Int, blocks: Range<Int>)
  /// Ends the sequence with all its leases and staged blocks; sealed blocks stay cached. Answered by `closed`.
  case close(SequenceID)
}
