import CKernels
import Glibc
import ModelFiles

/// A panel of the product that gives q, k and v: whole heads of some rows.
struct HeadPanel {
  /// [row][output]
  let values: UnsafeMutablePointer<Float>
  /// Of the product: queries first, then keys, then values.
  let outputs: Range<Int>
  /// Tokens of the chunk.
  let rows: Range<Int>
  /// Of the chunk's first token.
  let position: Int

  /// Row `i`'s elements among `wanted` outputs: from where, and how many.
  func part(_ i: Int, _ wanted: Range<Int>) -> (values: UnsafeMutablePointer<Float>, count: Int) {
    let found = outputs.clamped(to: wanted)
    return (values + i * outputs.count + max(0, found.lowerBound - outputs.lowerBound), found.count)
  }
}

extension Transformer {
  private var queryOutputs: Range<Int> { 0..<config.queryWidth }
  private var keyOutputs: Range<Int> { config.queryWidth..<config.queryWidth + config.kvWidth }

  /// Bias, head norms, rope and temperature, as far as the layer has them.
  func shape(_ heads: HeadPanel, layer: Int) {
    let vectors = weights.vectors[layer]
    let rope = config.decoderLayers[layer].rope.map { ropes[$0] }
    if let bias = vectors.bias {
      for i in 0..<heads.rows.count {
        ck_add(heads.values + i * heads.outputs.count, bias.floats + heads.outputs.lowerBound, heads.outputs.count)
      }
    }
    if config.attention.headNorm == .weighted { norm(heads, vectors) }
    if let rope { turn(heads, rope) }
    if config.attention.headNorm == .plainAfterRope, rope != nil { norm(heads, vectors) }
    if let temperature = config.attention.temperature, rope == nil { tune(heads, temperature) }
  }

  private func norm(_ heads: HeadPanel, _ vectors: LayerVectors) {
    for (outputs, weight) in [(queryOutputs, vectors.query), (keyOutputs, vectors.key)] {
      guard let weight else { continue }
      for i in 0..<heads.rows.count {
        let (values, count) = heads.part(i, outputs)
        ck_rms_norm(
          values, weight.floats, config.rmsEps, values, CK_F32, count / config.headDim, config.headDim)
      }
    }
  }

  /// Rope over those heads of a panel that are queries or keys.
  private func turn(_ heads: HeadPanel, _ rope: RopeTable) {
    let half = config.headDim / 2
    for (i, row) in heads.rows.enumerated() {
      let (values, count) = heads.part(i, 0..<keyOutputs.upperBound)
      guard count > 0 else { return }
      ck_rope(
        values, rope.cosines.floats + row * half, rope.sines.floats + row * half, 1, count / config.headDim,
        config.headDim)
    }
  }

  private func tune(_ heads: HeadPanel, _ temperature: TemperatureTuning) {
    for (i, row) in heads.rows.enumerated() {
      let (values, count) = heads.part(i, queryOutputs)
      guard count > 0 else { return }
      let runs = (Float(heads.position + row + 1) / temperature.floorTokens).rounded(.down)
      ck_scale(values, 1 + temperature.strength * log1p(runs), count)
    }
  }

  /// Rounds a panel's heads to the compute type, each to where it belongs.
  func store(_ heads: HeadPanel, _ writer: KVWriter) {
    let outputs = heads.outputs
    let queryOutputs = outputs.clamped(to: queryOutputs)
    let kvHeads = (outputs.lowerBound + queryOutputs.count - config.queryWidth) / config.headDim
    for (i, row) in heads.rows.enumerated() {
      let from = heads.values + i * outputs.count
      if !queryOutputs.isEmpty {
        let element = row * config.queryWidth + queryOutputs.lowerBound
        compute.type.convert(
          from, to: queries.base + element * compute.type.sizeBytes, count: queryOutputs.count)
      }
      if queryOutputs.count < outputs.count {
        writer.store(
          from + queryOutputs.count, heads: kvHeads..<kvHeads + (outputs.count - queryOutputs.count) / config.headDim,
          position: heads.position + row)
      }
    }
  }
}
