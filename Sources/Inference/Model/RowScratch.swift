import ModelFiles

/// What one thread keeps of the rows it takes through a layer: `Compute.maxRows` rows of each.
struct RowScratch: Sendable {
  /// [row][hidden], compute type: input of the next product.
  let normed: AlignedBuffer
  /// [row][queryWidth + 2 * kvWidth], f32
  let queryKeyValue: AlignedBuffer
  /// [row][queryWidth], compute type
  let attended: AlignedBuffer
  /// [row][2 * gatePanel], f32: a panel of gate beside the same panel of up.
  let gateUp: AlignedBuffer
  /// [row][intermediate], compute type
  let activated: AlignedBuffer
  /// [row][hidden], f32: what is added to the residual stream.
  let update: AlignedBuffer

  init(config: ModelConfig, type: ComputeType) {
    let rows = Compute.maxRows
    normed = AlignedBuffer(byteCount: rows * config.hidden * type.sizeBytes)
    queryKeyValue = AlignedBuffer(floats: rows * (config.queryWidth + 2 * config.kvWidth))
    attended = AlignedBuffer(byteCount: rows * config.queryWidth * type.sizeBytes)
    gateUp = AlignedBuffer(floats: rows * 2 * LlamaWeights.Layer.gatePanel)
    activated = AlignedBuffer(byteCount: rows * config.intermediate * type.sizeBytes)
    update = AlignedBuffer(floats: rows * config.hidden)
  }
}
