import ModelFiles

/// What one thread keeps of the rows it takes through a layer: `Compute.maxRows` rows of each.
struct RowScratch: Sendable {
  /// [row][hidden], compute type: input of the next product.
  let normed: AlignedBuffer
  /// [row][queryWidth], compute type
  let attended: AlignedBuffer
  /// [row][intermediate], compute type
  let activated: AlignedBuffer
  /// [row][outputs of one panel], f32: what a product gives.
  let panel: AlignedBuffer

  init(config: ModelConfig, type: ComputeType) {
    let rows = Compute.maxRows
    normed = AlignedBuffer(byteCount: rows * config.hidden * type.sizeBytes)
    attended = AlignedBuffer(byteCount: rows * config.queryWidth * type.sizeBytes)
    activated = AlignedBuffer(byteCount: rows * config.intermediate * type.sizeBytes)
    panel = AlignedBuffer(floats: rows * MatrixLayout.panelOutputs)
  }
}
