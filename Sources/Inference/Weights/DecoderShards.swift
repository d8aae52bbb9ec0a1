import ModelFiles

/// A model cut into weight shards: how each lies, and how it is filled from the model's file.
struct DecoderShards: Sendable {
  /// Outputs of the head, in a piece of their own.
  struct HeadPiece: Sendable {
    let outputs: Range<Int>
    let layout: ShardLayout
  }

  let config: ModelConfig
  /// [vocab, hidden]
  let embedding: WeightRows
  /// Layers are of one kind, or of two where some have experts.
  private let kinds: [LayerKind]
  let head: [HeadPiece]
  private let headRows: WeightRows
  private let layers: [[TensorName.Layer: WeightRows]]

  /// A part of a layer's shard, and a piece of the head, at most.
  static let layerPartBytes = 32 << 20
  static let headPieceBytes = 8 << 20
  /// Outputs of gate, and of up, in one panel of gate and up.
  private static let gatePanel = 128
  private static let products: [TensorName.Layer] = [
    .query, .key, .value, .attentionOutput, .gate, .up, .down, .router, .expertGate, .expertUp, .expertDown,
  ]

  /// How the matrices of a kind of layer lie: q, k and v, attention output, gate and up, down; then the router, and gate
  /// and up, and down, of each expert.
  private struct LayerKind: Sendable {
    let hasExperts: Bool
    let layout: ShardLayout
    /// Panels of gate, and of up; of each expert too, which are as wide as the shared one.
    let gatePanels: [Range<Int>]
  }

  /// - Throws: `ModelFileError` where a tensor is missing or has another shape, `ComputeError`.
  init(config: ModelConfig, source: any WeightSource, compute: Compute) throws {
    self.config = config
    let hidden = config.hidden
    kinds = try Set(config.decoderLayers.map(\.hasExperts)).sorted { !$0 && $1 }
      .map { try Self.kind(hasExperts: $0, config, compute) }
    embedding = WeightRows(tensor: try source.tensor(TensorName.embedding, shape: [config.vocab, hidden]))
    headRows =
      config.tiedEmbeddings
      ? embedding : WeightRows(tensor: try source.tensor(TensorName.head, shape: [config.vocab, hidden]))
    layers = try (0..<config.layers).map { layer in
      try Dictionary(
        uniqueKeysWithValues: Self.products.compactMap { tensor in
          guard let shape = config.shape(of: tensor, layer: layer) else { return nil }
          return (tensor, WeightRows(tensor: try source.tensor(TensorName.layer(layer, tensor), shape: shape)))
        })
    }
    let pieceOutputs = Self.headPieceOutputs(inputs: hidden, type: compute.type)
    head = try stride(from: 0, to: config.vocab, by: pieceOutputs).map { first in
      let outputs = first..<min(first + pieceOutputs, config.vocab)
      let layout = try MatrixLayout(
        inputs: hidden, panelWidths: MatrixLayout.evenPanels(outputs: outputs.count), compute: compute)
      return HeadPiece(outputs: outputs, layout: try ShardLayout([layout], limitBytes: Int.max))
    }
  }

  /// Whole panels, as many as fit a piece.
  private static func headPieceOutputs(inputs: Int, type: ComputeType) -> Int {
    let panelBytes = MatrixLayout.panelOutputs * inputs * type.sizeBytes
    return max(1, headPieceBytes / panelBytes) * MatrixLayout.panelOutputs
  }

  private static func kind(hasExperts: Bool, _ config: ModelConfig, _ compute: Compute) throws -> LayerKind {
    let hidden = config.hidden
    let experts = hasExperts ? config.experts : nil
    let width = experts?.intermediate ?? config.intermediate
    let panels = gatePanels(width)
    func matrix(inputs: Int, _ widths: [Int]) throws -> MatrixLayout {
      try MatrixLayout(inputs: inputs, panelWidths: widths, compute: compute)
    }
    let gateUp = try matrix(inputs: hidden, panels.map { 2 * $0.count })
    let down = try matrix(inputs: width, MatrixLayout.evenPanels(outputs: hidden))
    var matrices = [
      try matrix(
        inputs: hidden,
        MatrixLayout.evenPanels(outputs: config.queryWidth + 2 * config.kvWidth, unit: config.headDim)),
      try matrix(inputs: config.queryWidth, MatrixLayout.evenPanels(outputs: hidden)),
      gateUp, down,
    ]
    if let experts {
      matrices.append(try matrix(inputs: hidden, MatrixLayout.evenPanels(outputs: experts.count)))
      for _ in 0..<experts.count { matrices += [gateUp, down] }
    }
    let layout = try ShardLayout(matrices, limitBytes: layerPartBytes)
    return LayerKind(hasExperts: hasExperts, layout: layout, gatePanels: panels)
  }

  private static func gatePanels(_ width: Int) -> [Range<Int>] {
    stride(from: 0, to: width, by: gatePanel).map { $0..<min($0 + gatePanel, width) }
  }

  private func kind(of layer: Int) -> LayerKind {
    kinds.first { $0.hasExperts == config.decoderLayers[layer].hasExperts }!
  }

  /// How a layer's matrices lie.
  func layout(of layer: Int) -> ShardLayout { kind(of: layer).layout }

  /// Parts of a layer's shard at most, and bytes of the largest.
  var layerParts: Int { kinds.map(\.layout.partBytes.count).max() ?? 0 }
  var layerSlotBytes: Int { kinds.map(\.layout.slotBytes).max() ?? 0 }
  /// What the bytes of any layer depend on besides its weights.
  var layerPacking: [String] { kinds.flatMap { $0.layout.matrices.map(\.packing) } }

  /// - Parameters:
  ///   - bases: by part; at least as many as the layer has.
  ///   - readsFile: a decoded token's products read quantised weights where they lie in the file.
  func matrices(
    of layer: Int, _ bases: [UnsafeRawPointer], owner: AnyObject? = nil, readsFile: Bool = false
  ) -> LayerMatrices {
    var all = kind(of: layer).layout.matrices(bases, owner: owner)
    if readsFile {
      let rows = layers[layer]
      all[0].fileRows = FileRows(stacked: [rows[.query]!, rows[.key]!, rows[.value]!])
      all[1].fileRows = FileRows(stacked: [rows[.attentionOutput]!])
      all[2].fileRows = FileRows(gate: rows[.gate]!, up: rows[.up]!, width: Self.gatePanel)
      all[3].fileRows = FileRows(stacked: [rows[.down]!])
    }
    let experts = stride(from: 5, to: all.count, by: 2).map { FeedForwardMatrices(gateUp: all[$0], down: all[$0 + 1]) }
    return LayerMatrices(
      queryKeyValue: all[0], attentionOutput: all[1], feedForward: FeedForwardMatrices(gateUp: all[2], down: all[3]),
      router: all.count > 4 ? all[4] : nil, experts: experts)
  }

  /// - Parameter bases: by part; nil: left out.
  func fillLayer(_ index: Int, _ bases: [UnsafeMutableRawPointer?], compute: Compute) throws {
    let rows = layers[index]
    let kind = kind(of: index)
    try kind.layout.fill(bases, compute: compute) { matrix, output, target in
      switch matrix {
      case 0: Self.stacked([rows[.query]!, rows[.key]!, rows[.value]!], output, target)
      case 1: rows[.attentionOutput]!.read(output, into: target)
      case 2: Self.gateOrUp(kind.gatePanels, rows[.gate]!, rows[.up]!, output, target)
      case 3: rows[.down]!.read(output, into: target)
      case 4: rows[.router]!.read(output, into: target)
      default: readExpert(rows, kind, matrix - 5, output, target)
      }
    }
  }

  /// - Parameter matrix: gate and up of expert 0, its down, those of expert 1, and so on.
  private func readExpert(
    _ rows: [TensorName.Layer: WeightRows], _ kind: LayerKind, _ matrix: Int, _ output: Int,
    _ target: UnsafeMutablePointer<Float>
  ) {
    let expert = matrix / 2
    if matrix % 2 == 0 {
      let first = expert * (config.experts?.intermediate ?? 0)
      Self.gateOrUp(kind.gatePanels, rows[.expertGate]!, rows[.expertUp]!, first: first, output, target)
    } else {
      rows[.expertDown]!.read(expert * config.hidden + output, into: target)
    }
  }

  /// A piece of the head, as `layout.matrices` has it, that reads quantised weights where they lie.
  func headMatrix(_ piece: Int, _ bases: [UnsafeRawPointer], owner: AnyObject?, readsFile: Bool) -> PackedMatrix {
    var matrix = head[piece].layout.matrices(bases, owner: owner)[0]
    if readsFile { matrix.fileRows = FileRows(stacked: [headRows], from: head[piece].outputs.lowerBound) }
    return matrix
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

  private static func gateOrUp(
    _ panels: [Range<Int>], _ gate: WeightRows, _ up: WeightRows, first: Int = 0, _ output: Int,
    _ target: UnsafeMutablePointer<Float>
  ) {
    let panel = panels[output / (2 * gatePanel)]
    let within = output % (2 * gatePanel)
    if within < panel.count {
      gate.read(first + panel.lowerBound + within, into: target)
    } else {
      up.read(first + panel.lowerBound + within - panel.count, into: target)
    }
  }
}
