import CKernels
import ModelFiles

// What a layer does to each row but attention. Wide chunks are cut into tiles of rows, a thread each; a few rows are
// taken together, and the threads share the panels of each product.
extension Transformer {
  /// Norm, q, k and v, rope: fills `queries` and writes K and V to the chunk's own blocks.
  func project(_ layer: LlamaWeights.Layer, tokens: Int, position: Int, kv: TieredKV) throws {
    let write = KVWriter(kv: kv, config: config, type: compute.type)
    if isNarrow(tokens) {
      let s = scratch[0]
      norm(0..<tokens, layer.inputNorm, into: s)
      try multiplyByPanels(layer.queryKeyValue, rows: tokens, source: s.normed, target: s.queryKeyValue)
      turn(0..<tokens, position, s, write)
      return
    }
    try forEachTile(tokens: tokens) { rows, thread in
      let s = scratch[thread]
      norm(rows, layer.inputNorm, into: s)
      try multiply(layer.queryKeyValue, rows: rows.count, source: s.normed, target: s.queryKeyValue, thread: thread)
      turn(rows, position, s, write)
    }
  }

  /// Output projection, then the gated feed-forward, each added to the residual stream.
  func transform(_ layer: LlamaWeights.Layer, tokens: Int) throws {
    if isNarrow(tokens) { return try transformByPanels(layer, tokens: tokens) }
    try forEachTile(tokens: tokens) { rows, thread in
      let s = scratch[thread]
      attention.finish(tokens: rows, into: s.attended.base)
      try multiply(layer.attentionOutput, rows: rows.count, source: s.attended, target: s.update, thread: thread)
      add(s.update, to: rows)
      norm(rows, layer.postAttentionNorm, into: s)
      for panel in layer.gateUp.panels.indices {
        try activate(layer.gateUp, panel: panel, rows: rows.count, source: s, target: s.activated, thread: thread)
      }
      try multiply(layer.down, rows: rows.count, source: s.activated, target: s.update, thread: thread)
      add(s.update, to: rows)
    }
  }

  private func transformByPanels(_ layer: LlamaWeights.Layer, tokens: Int) throws {
    let s = scratch[0]
    attention.finish(tokens: 0..<tokens, into: s.attended.base)
    try multiplyByPanels(layer.attentionOutput, rows: tokens, source: s.attended, target: s.update)
    add(s.update, to: 0..<tokens)
    norm(0..<tokens, layer.postAttentionNorm, into: s)
    try compute.pool.run(layer.gateUp.panels.count) { panel, thread in
      try activate(
        layer.gateUp, panel: panel, rows: tokens, source: s, gate: scratch[thread].gateUp, target: s.activated,
        thread: thread)
    }
    try multiplyByPanels(layer.down, rows: tokens, source: s.activated, target: s.update)
    add(s.update, to: 0..<tokens)
  }

  private func norm(_ rows: Range<Int>, _ weight: AlignedBuffer, into s: RowScratch) {
    ck_rms_norm(
      residual.floats + rows.lowerBound * config.hidden, weight.floats, config.rmsEps, s.normed.base,
      compute.type.kernelType, rows.count, config.hidden)
  }

  private func add(_ update: AlignedBuffer, to rows: Range<Int>) {
    ck_add(residual.floats + rows.lowerBound * config.hidden, update.floats, rows.count * config.hidden)
  }

  private func multiply(
    _ matrix: PackedMatrix, rows: Int, source: AlignedBuffer, target: AlignedBuffer, thread: Int
  ) throws {
    try matrix.multiply(
      rows: rows, source: source.base, sourceStride: matrix.inputs, target: target.floats, compute: compute,
      thread: thread)
  }

  private func multiplyByPanels(
    _ matrix: PackedMatrix, rows: Int, source: AlignedBuffer, target: AlignedBuffer
  ) throws {
    try compute.pool.run(matrix.panels.count) { panel, thread in
      try matrix.multiply(
        panel: panel, rows: rows, source: source.base, sourceStride: matrix.inputs,
        target: target.floats + matrix.panels[panel].lowerBound, targetStride: matrix.outputs, compute: compute,
        thread: thread)
    }
  }

  /// One panel of silu(gate) * up, into its columns of `target`.
  private func activate(
    _ gateUp: PackedMatrix, panel: Int, rows: Int, source s: RowScratch, gate: AlignedBuffer? = nil,
    target: AlignedBuffer, thread: Int
  ) throws {
    let both = gateUp.panels[panel].count
    let (half, first) = (both / 2, gateUp.panels[panel].lowerBound / 2)
    let gate = (gate ?? s.gateUp).floats
    try gateUp.multiply(
      panel: panel, rows: rows, source: s.normed.base, sourceStride: config.hidden, target: gate, targetStride: both,
      compute: compute, thread: thread)
    for row in 0..<rows {
      let to = target.base + (row * config.intermediate + first) * compute.type.sizeBytes
      ck_silu_mul(gate + row * both, gate + row * both + half, both, to, compute.type.kernelType, 1, half)
    }
  }

  /// Turns q and k, and stores q, k and v in the compute type where they belong.
  private func turn(_ rows: Range<Int>, _ position: Int, _ s: RowScratch, _ write: KVWriter) {
    let (queryWidth, kvWidth, half) = (config.queryWidth, config.kvWidth, config.headDim / 2)
    for (i, token) in rows.enumerated() {
      let row = s.queryKeyValue.floats + i * (queryWidth + 2 * kvWidth)
      ck_rope(
        row, rope.cosines.floats + token * half, rope.sines.floats + token * half, 1,
        config.queryHeads + config.kvHeads, config.headDim)
      compute.type.convert(row, to: queries.base + token * queryWidth * compute.type.sizeBytes, count: queryWidth)
      write.store(row + queryWidth, row + queryWidth + kvWidth, position: position + token)
    }
  }
}
