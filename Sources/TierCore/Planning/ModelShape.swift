/// What memory and arithmetic of a decoder follow from.
public struct ModelShape: Sendable, Hashable {
  public var layers: Int
  public var hidden: Int
  public var intermediate: Int
  public var queryHeads: Int
  public var kvHeads: Int
  public var headDim: Int
  public var vocab: Int
  public var element: ElementType

  public init(
    layers: Int, hidden: Int, intermediate: Int, queryHeads: Int, kvHeads: Int, headDim: Int, vocab: Int,
    element: ElementType
  ) {
    self.layers = layers
    self.hidden = hidden
    self.intermediate = intermediate
    self.queryHeads = queryHeads
    self.kvHeads = kvHeads
    self.headDim = headDim
    self.vocab = vocab
    self.element = element
  }

  var queryWidth: Int { queryHeads * headDim }
  var kvWidth: Int { kvHeads * headDim }

  /// K and V of one token in all layers.
  public var kvBytesPerToken: Int { layers * 2 * kvWidth * element.sizeBytes }
  var layerParameters: Int { hidden * (2 * queryWidth + 2 * kvWidth + 3 * intermediate) }
  /// Matrices of one layer.
  public var layerWeightBytes: Int { layerParameters * element.sizeBytes }
  public var headWeightBytes: Int { vocab * hidden * element.sizeBytes }
  public var weightBytes: Int { layers * layerWeightBytes + headWeightBytes }

  /// What one token of a chunk takes while it is computed: the residual stream and the attention's state in f32, queries,
  /// and K and V of one layer in the cache's type.
  public var activationBytesPerToken: Int {
    4 * (hidden + queryWidth + 2 * queryHeads) + element.sizeBytes * (queryWidth + 2 * kvWidth)
  }

  /// Arithmetic of one token at a position: every parameter of the layers, and attention to all before it.
  public func flopsPerToken(position: Int) -> Int {
    2 * layers * layerParameters + 4 * layers * queryWidth * position
  }
}
