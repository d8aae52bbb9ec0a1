import TierCore

/// Blocks of one layer of one sequence: what most messages are about.
struct BlockAddress {
  var sequence: SequenceID
  var layer: Int
  var blocks: Range<Int>

  init(sequence: SequenceID, layer: Int, blocks: Range<Int>) {
    self.sequence = sequence
    self.layer = layer
    self.blocks = blocks
  }

  init(_ message: WireBlockRange) throws(FrameError) {
    try message.requireOnlyKnownFields()
    sequence = SequenceID(message.sequence)
    layer = try Field.layer(message.layer)
    blocks = try Field.range(first: message.first, count: message.count)
  }

  /// Throws where the address is outside the protocol's limits.
  func message() throws(FrameError) -> WireBlockRange {
    var message = WireBlockRange()
    message.sequence = sequence.rawValue
    message.layer = UInt32(try Field.checked(layer, "layer", atMost: SequencePlan.maxLayers - 1))
    message.first = UInt32(try Field.checked(blocks.lowerBound, "first block", atMost: SequencePlan.maxBlocks))
    message.count = UInt32(
      try Field.checked(blocks.count, "count of blocks", atMost: ProtocolLimits.blocksPerRequest))
    _ = try Field.checked(blocks.upperBound, "end of the blocks", atMost: SequencePlan.maxBlocks)
    return message
  }
}
