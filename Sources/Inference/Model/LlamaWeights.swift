public import ModelFiles

/// A Llama model's weights in the worker's own memory, laid out for its products. Embedding rows stay in the file.
public struct LlamaWeights: Sendable {
  /// One layer. Shapes as [outputs, inputs].
  struct Layer: Sendable {
    /// [hidden]
    let inputNorm: AlignedBuffer
    /// [queryWidth + 2 * kvWidth, hidden]: q, k and v below one another, whole heads to a panel.
    let queryKeyValue: PackedMatrix
    /// [hidden, queryWidth]
    let attentionOutput: PackedMatrix
    /// [hidden]
    let postAttentionNorm: AlignedBuffer
    /// [2 * intermediate, hidden]: each panel holds some rows of gate and then the same rows of up.
    let gateUp: PackedMatrix
    /// [hidden, intermediate]
    let down: PackedMatrix
  }

  public let config: ModelConfig
  let layers: [Layer]
  /// [hidden]
  let finalNorm: AlignedBuffer
  /// [vocab, hidden]
  let embedding: WeightRows
  /// [vocab, hidden]: the embedding again where the model ties them.
  let head: PackedMatrix

  /// Reads and packs every tensor.
  /// - Parameter progress: told the layers read so far, of how many.
  /// - Throws: `ModelFileError` where a tensor is missing or has another shape, `ComputeError`.
  public init(
    config: ModelConfig, source: any WeightSource, compute: Compute,
    progress: (_ done: Int, _ of: Int) -> Void = { _, _ in }
  ) throws {
    self.config = config
    embedding = WeightRows(tensor: try source.tensor(TensorName.embedding, shape: [config.vocab, config.hidden]))
    finalNorm = WeightRows(tensor: try source.tensor(TensorName.finalNorm, shape: [config.hidden])).vector()
    var layers: [Layer] = []
    for layer in 0..<config.layers {
      layers.append(try Layer(layer, config: config, source: source, compute: compute))
      progress(layer + 1, config.layers)
    }
    self.layers = layers
    let head =
      config.tiedEmbeddings
      ? embedding : WeightRows(tensor: try source.tensor(TensorName.head, shape: [config.vocab, config.hidden]))
    self.head = try PackedMatrix(
      inputs: config.hidden, panelWidths: PackedMatrix.evenPanels(outputs: config.vocab), compute: compute
    ) { head.read($0, into: $1) }
  }
}

extension LlamaWeights.Layer {
  /// Outputs of gate, and of up, in one panel of `gateUp`.
  static let gatePanel = 128

  /// Rows of gate in each panel of `gateUp`.
  static func gatePanels(intermediate: Int) -> [Range<Int>] {
    stride(from: 0, to: intermediate, by: gatePanel).map { $0..<min($0 + gatePanel, intermediate) }
  }

  init(_ layer: Int, config: ModelConfig, source: any WeightSource, compute: Compute) throws {
    func rows(_ tensor: TensorName.Layer) throws -> WeightRows {
      WeightRows(tensor: try source.tensor(TensorName.layer(layer, tensor), shape: config.shape(of: tensor)))
    }
    func matrix(_ tensor: TensorName.Layer, inputs: Int) throws -> PackedMatrix {
      let rows = try rows(tensor)
      let widths = PackedMatrix.evenPanels(outputs: config.hidden)
      return try PackedMatrix(inputs: inputs, panelWidths: widths, compute: compute) { rows.read($0, into: $1) }
    }
    inputNorm = try rows(.inputNorm).vector()
    postAttentionNorm = try rows(.postAttentionNorm).vector()
    attentionOutput = try matrix(.attentionOutput, inputs: config.queryWidth)
    down = try matrix(.down, inputs: config.intermediate)
    let stacked = [try rows(.query), try rows(.key), try rows(.value)]
    let widths = PackedMatrix.evenPanels(outputs: config.queryWidth + 2 * config.kvWidth, unit: config.headDim)
    queryKeyValue = try PackedMatrix(inputs: config.hidden, panelWidths: widths, compute: compute) { output, target in
      var row = output
      for part in stacked {
        if row < part.tensor.rows { return part.read(row, into: target) }
        row -= part.tensor.rows
      }
    }
    let (gate, up) = (try rows(.gate), try rows(.up))
    let panels = Self.gatePanels(intermediate: config.intermediate)
    gateUp = try PackedMatrix(inputs: config.hidden, panelWidths: panels.map { 2 * $0.count }, compute: compute) {
      output, target in
      let panel = panels[output / (2 * Self.gatePanel)]
      let within = output % (2 * Self.gatePanel)
      if within < panel.count {
        gate.read(panel.lowerBound + within, into: target)
      } else {
        up.read(panel.lowerBound + within - panel.count, into: target)
      }
    }
  }
}
