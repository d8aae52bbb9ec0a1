import TierCore

extension SequencePlan {
  private static let maxDimension = Int(Int32.max)

  /// Checks what the protocol limits; whether the plan makes sense is the store's to say.
  init(_ m: WireOpen) throws(FrameError) {
    try m.requireOnlyKnownFields()
    guard let element = UInt8(exactly: m.element).flatMap(ElementType.init(rawValue:)) else {
      throw .malformed("there is no element type \(m.element)")
    }
    guard
      let layout = BlockLayout(
        element: element, kvHeads: Int(m.kvHeads), headDim: Int(m.headDim), blockTokens: Int(m.blockTokens))
    else {
      throw .malformed("no slot holds \(m.blockTokens) tokens of \(m.kvHeads) heads of \(m.headDim)")
    }
    self.init(
      sequence: SequenceID(m.sequence), layout: layout,
      layers: try Field.checked(m.layers, "layers", atMost: Self.maxLayers),
      chunkBlocks: try Field.checked(m.chunkBlocks, "blocks of a chunk", atMost: Self.maxBlocks),
      totalBlocks: try Field.checked(m.totalBlocks, "blocks", atMost: Self.maxBlocks),
      stagingSlots: try Field.checked(m.stagingSlots, "staging slots", atMost: Self.maxStagingSlots),
      ringSlots: try Field.checked(m.ringSlots, "ring slots", atMost: Self.maxBlocks), ordered: m.ordered)
  }

  func message() throws(FrameError) -> WireOpen {
    var m = WireOpen()
    m.sequence = sequence.rawValue
    m.element = UInt32(layout.element.rawValue)
    m.kvHeads = UInt32(try Field.checked(layout.kvHeads, "heads", atMost: Self.maxDimension))
    m.headDim = UInt32(try Field.checked(layout.headDim, "head dimension", atMost: Self.maxDimension))
    m.blockTokens = UInt32(layout.blockTokens)
    m.layers = UInt32(try Field.checked(layers, "layers", atMost: Self.maxLayers))
    m.chunkBlocks = UInt32(try Field.checked(chunkBlocks, "blocks of a chunk", atMost: Self.maxBlocks))
    m.totalBlocks = UInt32(try Field.checked(totalBlocks, "blocks", atMost: Self.maxBlocks))
    m.stagingSlots = UInt32(try Field.checked(stagingSlots, "staging slots", atMost: Self.maxStagingSlots))
    m.ringSlots = UInt32(try Field.checked(ringSlots, "ring slots", atMost: Self.maxBlocks))
    m.ordered = ordered
    return m
  }
}
