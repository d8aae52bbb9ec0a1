import ModelFiles

/// What one thread keeps of the rows it takes through a layer: `Compute.maxRows` rows of each.
struct RowScratch: Sendable {
  /// [row][hidden], compute type: input of the next product.
  let normed: AlignedBuffer
  /// [row][queryWidth], compute type
  let attended: AlignedBuffer
  /// [row][width of the widest feed-forward], compute type
  let activated: AlignedBuffer
  /// [row][hidden], f32: outputs of attention or feed-forward that are normed before they are added.
  let output: AlignedBuffer
  /// [row][expert], f32: logits of the router.
  let routing: AlignedBuffer
  /// [row][hidden], compute type: what goes into one expert; and one row of it, f32.
  let routed: AlignedBuffer
  let routedRow: AlignedBuffer
  /// [row][outputs of one panel], f32: what a product gives.
  let panel: AlignedBuffer

  init(config: ModelConfig, type: ComputeType) {
    let rows = Compute.maxRows
    normed = AlignedBuffer(byteCount: rows * config.hidden * type.sizeBytes)
    attended = AlignedBuffer(byteCount: rows * config.queryWidth * type.sizeBytes)
    let experts = config.experts
    activated = AlignedBuffer(
      byteCount: rows * max(config.intermediate, experts?.intermediate ?? 0) * type.sizeBytes)
    output = AlignedBuffer(floats: config.norms == .inputsAndOutputs ? rows * config.hidden : 0)
    routing = AlignedBuffer(floats: rows * (experts?.count ?? 0))
    routed = AlignedBuffer(byteCount: experts == nil ? 0 : rows * config.hidden * type.sizeBytes)
    routedRow = AlignedBuffer(floats: experts == nil ? 0 : config.hidden)
    panel = AlignedBuffer(floats: rows * MatrixLayout.panelOutputs)
  }
}
