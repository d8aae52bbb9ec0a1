import CKernels
import ModelFiles

// What a layer does to each row but attention, in steps of one product each: what a panel of outputs is for is done
// while it is in the cache.
extension Transformer {
  /// Some rows on their way through a layer.
  private struct Tile {
    /// Tokens of the chunk.
    let rows: Range<Int>
    /// Where the inputs of products are, of all threads that work on the tile.
    let scratch: RowScratch
    /// The thread that does the whole tile; nil: the threads share the panels of each product.
    let thread: Int?
  }

  /// Norm, q, k and v, rope: fills `queries` and writes K and V to the chunk's own blocks.
  func project(
    _ queryKeyValue: PackedMatrix, norm weight: AlignedBuffer, tokens: Int, position: Int, kv: TieredKV
  ) throws {
    let writer = KVWriter(kv: kv, config: config, type: compute.type)
    try forEachTile(tokens) { tile in
      norm(tile, weight)
      try multiply(queryKeyValue, tile, source: tile.scratch.normed) { outputs, values in
        turn(values, outputs, tile.rows)
        store(values, outputs, tile.rows, position: position, writer)
      }
    }
  }

  /// Output projection, then the gated feed-forward, each added to the residual stream.
  func transform(_ layer: LayerMatrices, norm weight: AlignedBuffer, tokens: Int) throws {
    try forEachTile(tokens) { tile in
      let s = tile.scratch
      attention.finish(tokens: tile.rows, into: s.attended.base)
      try multiply(layer.attentionOutput, tile, source: s.attended) { add($1, $0, tile.rows) }
      norm(tile, weight)
      try multiply(layer.gateUp, tile, source: s.normed) { activate($1, $0, tile) }
      try multiply(layer.down, tile, source: s.activated) { add($1, $0, tile.rows) }
    }
  }

  /// Wide chunks are cut into tiles of rows, a thread each. A few rows are one tile that all threads share.
  private func forEachTile(_ tokens: Int, _ body: (Tile) throws -> Void) throws {
    if tokens <= Self.leastTileRows {
      return try body(Tile(rows: 0..<tokens, scratch: scratch[0], thread: nil))
    }
    let share = tokens.dividedRoundingUp(by: compute.pool.threadCount)
    let size = min(Compute.maxRows, share.roundedUp(toMultipleOf: Self.leastTileRows))
    try compute.pool.run(tokens.dividedRoundingUp(by: size)) { index, thread in
      let rows = index * size..<min((index + 1) * size, tokens)
      try body(Tile(rows: rows, scratch: scratch[thread], thread: thread))
    }
  }

  /// Calls `body` with each panel's outputs and their values, [row][output]: on the tile's thread, or on any.
  private func multiply(
    _ matrix: PackedMatrix, _ tile: Tile, source: AlignedBuffer,
    _ body: (_ outputs: Range<Int>, _ values: UnsafeMutablePointer<Float>) -> Void
  ) throws {
    func multiply(_ panel: Int, _ thread: Int) throws {
      let values = scratch[thread].panel.floats
      try matrix.multiply(
        panel: panel, rows: tile.rows.count, source: source.base, target: values, compute: compute, thread: thread)
      body(matrix.panels[panel], values)
    }
    if let thread = tile.thread {
      for panel in matrix.panels.indices { try multiply(panel, thread) }
    } else {
      try compute.pool.run(matrix.panels.count, multiply)
    }
  }

  private func norm(_ tile: Tile, _ weight: AlignedBuffer) {
    ck_rms_norm(
      residual.floats + tile.rows.lowerBound * config.hidden, weight.floats, config.rmsEps, tile.scratch.normed.base,
      compute.type.kernelType, tile.rows.count, config.hidden)
  }

  /// Adds a panel to its columns of the residual stream.
  private func add(_ values: UnsafePointer<Float>, _ outputs: Range<Int>, _ rows: Range<Int>) {
    for (i, row) in rows.enumerated() {
      let target = residual.floats + row * config.hidden + outputs.lowerBound
      ck_add(target, values + i * outputs.count, outputs.count)
    }
  }

  /// silu(gate) * up of a panel that holds both, into its columns of the product's result.
  private func activate(_ values: UnsafePointer<Float>, _ outputs: Range<Int>, _ tile: Tile) {
    let (both, half) = (outputs.count, outputs.count / 2)
    let first = tile.scratch.activated.base + outputs.lowerBound / 2 * compute.type.sizeBytes
    for i in 0..<tile.rows.count {
      let gate = values + i * both
      let target = first + i * config.intermediate * compute.type.sizeBytes
      ck_silu_mul(gate, gate + half, both, target, compute.type.kernelType, 1, half)
    }
  }

  /// Rope over those heads of a panel that are queries or keys.
  private func turn(_ values: UnsafeMutablePointer<Float>, _ outputs: Range<Int>, _ rows: Range<Int>) {
    let turned = outputs.clamped(to: 0..<config.queryWidth + config.kvWidth).count / config.headDim
    guard turned > 0 else { return }
    let half = config.headDim / 2
    for (i, row) in rows.enumerated() {
      ck_rope(
        values + i * outputs.count, rope.cosines.floats + row * half, rope.sines.floats + row * half, 1, turned,
        config.headDim)
    }
  }

  /// Rounds a panel's heads to the compute type, each to where it belongs.
  private func store(
    _ values: UnsafePointer<Float>, _ outputs: Range<Int>, _ rows: Range<Int>, position: Int, _ writer: KVWriter
  ) {
    let queryOutputs = outputs.clamped(to: 0..<config.queryWidth)
    let kvHeads = (outputs.lowerBound + queryOutputs.count - config.queryWidth) / config.headDim
    for (i, row) in rows.enumerated() {
      let from = values + i * outputs.count
      if !queryOutputs.isEmpty {
        let element = row * config.queryWidth + queryOutputs.lowerBound
        compute.type.convert(
          from, to: queries.base + element * compute.type.sizeBytes, count: queryOutputs.count)
      }
      if queryOutputs.count < outputs.count {
        writer.store(
          from + queryOutputs.count, heads: kvHeads..<kvHeads + (outputs.count - queryOutputs.count) / config.headDim,
          position: position + row)
      }
    }
  }
}
