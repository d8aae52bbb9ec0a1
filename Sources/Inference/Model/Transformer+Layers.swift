import CKernels
import ModelFiles

/// Some rows on their way through a layer.
struct RowTile {
  /// Tokens of the chunk.
  let rows: Range<Int>
  /// Where the inputs of products are, of all threads that work on the tile.
  let scratch: RowScratch
  /// The thread that does the whole tile; nil: the threads share the panels of each product.
  let thread: Int?
}

// What a layer does to each row but attention, in steps of one product each: what a panel of outputs is for is done
// while it is in the cache.
extension Transformer {
  /// Norm, q, k and v, and what is done to heads: fills `queries` and writes K and V to the chunk's own blocks.
  func project(
    _ queryKeyValue: PackedMatrix, layer: Int, tokens: Int, position: Int, kv: TieredKV
  ) throws {
    let writer = KVWriter(kv: kv, config: config, type: compute.type)
    try forEachTile(tokens) { tile in
      norm(tile, weights.vectors[layer].input)
      try multiply(queryKeyValue, tile, source: tile.scratch.normed) { outputs, values in
        let heads = HeadPanel(values: values, outputs: outputs, rows: tile.rows, position: position)
        shape(heads, layer: layer)
        store(heads, writer)
      }
    }
  }

  /// Output projection, then the feed-forward, each added to the residual stream.
  func transform(_ matrices: LayerMatrices, layer: Int, tokens: Int) throws {
    let vectors = weights.vectors[layer]
    try forEachTile(tokens) { tile in
      attention.finish(tokens: tile.rows, into: tile.scratch.attended.base)
      try addToResidual(tile, outputNorm: vectors.attentionOutput) { target in
        try multiply(matrices.attentionOutput, tile, source: tile.scratch.attended) { outputs, values in
          for i in 0..<tile.rows.count { add(values + i * outputs.count, outputs, to: target + i * config.hidden) }
        }
      }
      norm(tile, vectors.feedForward)
      try addToResidual(tile, outputNorm: vectors.feedForwardOutput) { target in
        try feedForward(matrices, tile, addingTo: target)
      }
    }
  }

  /// Wide chunks are cut into tiles of rows, a thread each. A few rows are one tile that all threads share.
  private func forEachTile(_ tokens: Int, _ body: (RowTile) throws -> Void) throws {
    if tokens <= Self.leastTileRows {
      return try body(RowTile(rows: 0..<tokens, scratch: scratch[0], thread: nil))
    }
    let share = tokens.dividedRoundingUp(by: compute.pool.threadCount)
    let size = min(Compute.maxRows, share.roundedUp(toMultipleOf: Self.leastTileRows))
    try compute.pool.run(tokens.dividedRoundingUp(by: size)) { index, thread in
      let rows = index * size..<min((index + 1) * size, tokens)
      try body(RowTile(rows: rows, scratch: scratch[thread], thread: thread))
    }
  }

  /// Calls `body` with where it adds the tile's rows, [row][hidden]: the residual stream itself, or a place of their own
  /// from which they are normed first.
  private func addToResidual(
    _ tile: RowTile, outputNorm: AlignedBuffer?, _ body: (UnsafeMutablePointer<Float>) throws -> Void
  ) rethrows {
    let stream = residual.floats + tile.rows.lowerBound * config.hidden
    guard let outputNorm else { return try body(stream) }
    let output = tile.scratch.output.floats
    let count = tile.rows.count * config.hidden
    output.update(repeating: 0, count: count)
    try body(output)
    ck_rms_norm(output, outputNorm.floats, config.rmsEps, output, CK_F32, tile.rows.count, config.hidden)
    ck_add(stream, output, count)
  }

  /// Calls `body` with each panel's outputs and their values, [row][output]: on the tile's thread, or on any.
  /// - Parameter count: rows; nil: the tile's.
  func multiply(
    _ matrix: PackedMatrix, _ tile: RowTile, rows count: Int? = nil, source: AlignedBuffer,
    _ body: (_ outputs: Range<Int>, _ values: UnsafeMutablePointer<Float>) -> Void
  ) throws {
    func multiply(_ panel: Int, _ thread: Int) throws {
      let values = scratch[thread].panel.floats
      try matrix.multiply(
        panel: panel, rows: count ?? tile.rows.count, source: source.base, target: values, compute: compute,
        thread: thread, isDecoding: isDecoding)
      body(matrix.panels[panel], values)
    }
    if let thread = tile.thread {
      for panel in matrix.panels.indices { try multiply(panel, thread) }
    } else {
      try compute.pool.run(matrix.panels.count, multiply)
    }
  }

  private func norm(_ tile: RowTile, _ weight: AlignedBuffer) {
    ck_rms_norm(
      residual.floats + tile.rows.lowerBound * config.hidden, weight.floats, config.rmsEps, tile.scratch.normed.base,
      compute.type.kernelType, tile.rows.count, config.hidden)
  }

  /// Adds one row of a panel to its columns of a row of [hidden].
  func add(_ values: UnsafePointer<Float>, _ outputs: Range<Int>, to row: UnsafeMutablePointer<Float>) {
    ck_add(row + outputs.lowerBound, values, outputs.count)
  }
}
