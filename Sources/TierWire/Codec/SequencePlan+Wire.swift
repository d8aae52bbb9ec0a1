import TierCore

extension LayerReach {
  init(_ m: WireReach) throws(FrameError) {
    try m.requireOnlyKnownFields()
    let tokens = try Field.checked(m.tokens, "tokens in reach", atMost: Int(Int32.max))
    switch m.kind {
    case .full: self = .full
    case .sliding: self = .sliding(tokens: tokens)
    case .chunked: self = .chunked(tokens: tokens)
    case .UNRECOGNIZED(let kind): throw .malformed("there is no reach of kind \(kind)")
    }
  }

  func message() throws(FrameError) -> WireReach {
    var m = WireReach()
    switch self {
    case .full: m.kind = .full
    case .sliding(let tokens): (m.kind, m.tokens) = (.sliding, try Self.checked(tokens))
    case .chunked(let tokens): (m.kind, m.tokens) = (.chunked, try Self.checked(tokens))
    }
    return m
  }

  private static func checked(_ tokens: Int) throws(FrameError) -> UInt32 {
    UInt32(try Field.checked(tokens, "tokens in reach", atMost: Int(Int32.max)))
  }
}

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
      ringSlots: try Field.checked(m.ringSlots, "ring slots", atMost: Self.maxBlocks), ordered: m.ordered,
      reach: try Self.reach(m.reach))
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
    m.reach = try reach.map { layer throws(FrameError) in try layer.message() }
    return m
  }

  private static func reach(_ messages: [WireReach]) throws(FrameError) -> [LayerReach] {
    guard messages.count <= maxLayers else {
      throw .malformed("the reach of \(messages.count) layers, \(maxLayers) are possible")
    }
    return try messages.map { m throws(FrameError) in try LayerReach(m) }
  }
}
