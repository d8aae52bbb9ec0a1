import ModelFiles

/// A Llama model cut into weight shards: how each lies, and how it is filled from the model's file.
struct LlamaShards: Sendable {
  /// Outputs of the head, in a piece of their own.
  struct HeadPiece: Sendable {
    let outputs: Range<Int>
    let layout: ShardLayout
  }

  let config: ModelConfig
  /// [vocab, hidden]
  let embedding: WeightRows
  /// Query, key, value, attention output, gate and up, down: the same for every layer.
  let layer: ShardLayout
  let head: [HeadPiece]
  private let headRows: WeightRows
  private let layers: [[TensorName.Layer: WeightRows]]
  private let gatePanels: [Range<Int>]

  /// A part of a layer's shard, and a piece of the head, at most.
  static let layerPartBytes = 32 << 20
  static let headPieceBytes = 8 << 20
  /// Outputs of gate, and of up, in one panel of gate and up.
  private static let gatePanel = 128
  private static let products: [TensorName.Layer] = [.query, .key, .value, .attentionOutput, .gate, .up, .down]

  /// - Throws: `ModelFileError` where a tensor is missing or has another shape, `ComputeError`.
  init(config: ModelConfig, source: any WeightSource, compute: Compute) throws {
    self.config = config
    let intermediate = config.intermediate
    let panels = stride(from: 0, to: intermediate, by: Self.gatePanel).map {
      $0..<min($0 + Self.gatePanel, intermediate)
    }
    gatePanels = panels
    let (hidden, queryWidth) = (config.hidden, config.queryWidth)
    func matrix(inputs: Int, _ widths: [Int]) throws -> MatrixLayout {
      try MatrixLayout(inputs: inputs, panelWidths: widths, compute: compute)
    }
    layer = try ShardLayout(
      [
        matrix(
          inputs: hidden, MatrixLayout.evenPanels(outputs: queryWidth + 2 * config.kvWidth, unit: config.headDim)),
        matrix(inputs: queryWidth, MatrixLayout.evenPanels(outputs: hidden)),
        matrix(inputs: hidden, panels.map { 2 * $0.count }),
        matrix(inputs: intermediate, MatrixLayout.evenPanels(outputs: hidden)),
      ], limitBytes: Self.layerPartBytes)
    embedding = WeightRows(tensor: try source.tensor(TensorName.embedding, shape: [config.vocab, hidden]))
    headRows =
      config.tiedEmbeddings
      ? embedding : WeightRows(tensor: try source.tensor(TensorName.head, shape: [config.vocab, hidden]))
    layers = try (0..<config.layers).map { layer in
      try Dictionary(
        uniqueKeysWithValues: Self.products.map { tensor in
          let name = TensorName.layer(layer, tensor)
          return (tensor, WeightRows(tensor: try source.tensor(name, shape: config.shape(of: tensor))))
        })
    }
    let pieceOutputs = Self.headPieceOutputs(inputs: hidden, type: compute.type)
    head = try stride(from: 0, to: config.vocab, by: pieceOutputs).map { first in
      let outputs = first..<min(first + pieceOutputs, config.vocab)
      let layout = try matrix(inputs: hidden, MatrixLayout.evenPanels(outputs: outputs.count))
      return HeadPiece(outputs: outputs, layout: try ShardLayout([layout], limitBytes: Int.max))
    }
  }

  /// Whole panels, as many as fit a piece.
  private static func headPieceOutputs(inputs: Int, type: ComputeType) -> Int {
    let panelBytes = MatrixLayout.panelOutputs * inputs * type.sizeBytes
    return max(1, headPieceBytes / panelBytes) * MatrixLayout.panelOutputs
  }

  func matrices(_ bases: [UnsafeRawPointer], owner: AnyObject? = nil) -> LayerMatrices {
    let all = layer.matrices(bases, owner: owner)
    return LayerMatrices(queryKeyValue: all[0], attentionOutput: all[1], gateUp: all[2], down: all[3])
  }

  /// - Parameter bases: by part; nil: left out.
  func fillLayer(_ index: Int, _ bases: [UnsafeMutableRawPointer?], compute: Compute) throws {
    let rows = layers[index]
    try layer.fill(bases, compute: compute) { matrix, output, target in
      switch matrix {
      case 0: Self.stacked([rows[.query]!, rows[.key]!, rows[.value]!], output, target)
      case 1: rows[.attentionOutput]!.read(output, into: target)
      case 2: gateOrUp(rows, output, target)
      default: rows[.down]!.read(output, into: target)
      }
    }
  }

  func fillHead(_ piece: Int, _ base: UnsafeMutableRawPointer, compute: Compute) throws {
    let first = head[piece].outputs.lowerBound
    try head[piece].layout.fill([base], compute: compute) { _, output, target in
      headRows.read(first + output, into: target)
    }
  }

  private static func stacked(_ parts: [WeightRows], _ output: Int, _ target: UnsafeMutablePointer<Float>) {
    var row = output
    for part in parts {
      if row < part.tensor.rows { return part.read(row, into: target) }
      row -= part.tensor.rows
    }
  }

  private func gateOrUp(
    _ rows: [TensorName.Layer: WeightRows], _ output: Int, _ target: UnsafeMutablePointer<Float>
  ) {
    let panel = gatePanels[output / (2 * Self.gatePanel)]
    let within = output % (2 * Self.gatePanel)
    if within < panel.count {
      rows[.gate]!.read(panel.lowerBound + within, into: target)
    } else {
      rows[.up]!.read(panel.lowerBound + within - panel.count, into: target)
    }
  }
}
