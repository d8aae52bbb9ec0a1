import CKernels
import Glibc
import ModelFiles

extension Transformer {
  /// The feed-forward of a tile's normed rows, added to `target`, [row][hidden].
  func feedForward(_ matrices: LayerMatrices, _ tile: RowTile, addingTo target: UnsafeMutablePointer<Float>) throws {
    try gated(matrices.feedForward, tile, source: tile.scratch.normed, rows: Array(0..<tile.rows.count), target)
    guard let router = matrices.router, let experts = config.experts else { return }
    let routes = try route(router, experts, tile)
    for (expert, rows) in routes.enumerated() where !rows.isEmpty {
      gather(rows, from: tile.scratch)
      try gated(matrices.experts[expert], tile, source: tile.scratch.routed, rows: rows.map(\.row), target)
    }
  }

  /// Gate, up and down of some rows.
  /// - Parameters:
  ///   - source: [rows.count][hidden], compute type.
  ///   - rows: of `target` that the results are added to.
  private func gated(
    _ matrices: FeedForwardMatrices, _ tile: RowTile, source: AlignedBuffer, rows: [Int],
    _ target: UnsafeMutablePointer<Float>
  ) throws {
    let activated = tile.scratch.activated
    let width = matrices.width
    try multiply(matrices.gateUp, tile, rows: rows.count, source: source) { outputs, values in
      activate(values, outputs, rows: rows.count, width: width, into: activated)
    }
    try multiply(matrices.down, tile, rows: rows.count, source: activated) { outputs, values in
      for (i, row) in rows.enumerated() { add(values + i * outputs.count, outputs, to: target + row * config.hidden) }
    }
  }

  /// activation(gate) * up of a panel that holds both, into its columns of [row][width].
  private func activate(
    _ values: UnsafePointer<Float>, _ outputs: Range<Int>, rows: Int, width: Int, into target: AlignedBuffer
  ) {
    let (both, half) = (outputs.count, outputs.count / 2)
    let first = target.base + outputs.lowerBound / 2 * compute.type.sizeBytes
    for i in 0..<rows {
      let gate = values + i * both
      let row = first + i * width * compute.type.sizeBytes
      switch config.activation {
      case .silu: ck_silu_mul(gate, gate + half, both, row, compute.type.kernelType, 1, half)
      case .geluTanh: ck_gelu_tanh_mul(gate, gate + half, both, row, compute.type.kernelType, 1, half)
      }
    }
  }

  /// A row of the tile that an expert gets, times `weight`.
  private struct Routed {
    let row: Int
    let weight: Float
  }

  /// By expert, the rows whose router logit for it is among their largest.
  private func route(_ router: PackedMatrix, _ experts: ExpertTraits, _ tile: RowTile) throws -> [[Routed]] {
    let logits = tile.scratch.routing.floats
    try multiply(router, tile, source: tile.scratch.normed) { outputs, values in
      for i in 0..<tile.rows.count {
        (logits + i * experts.count + outputs.lowerBound).update(from: values + i * outputs.count, count: outputs.count)
      }
    }
    var routes = [[Routed]](repeating: [], count: experts.count)
    for row in 0..<tile.rows.count {
      let mine = UnsafeBufferPointer(start: logits + row * experts.count, count: experts.count)
      // Of equals the first, which one does not matter but must not change.
      let best = mine.indices.sorted { mine[$0] != mine[$1] ? mine[$0] > mine[$1] : $0 < $1 }
      for expert in best.prefix(experts.perToken) {
        routes[expert].append(Routed(row: row, weight: 1 / (1 + exp(-mine[expert]))))
      }
    }
    return routes
  }

  /// Puts what goes into one expert together: rows of `normed`, each times its weight.
  private func gather(_ rows: [Routed], from scratch: RowScratch) {
    let (hidden, type) = (config.hidden, compute.type)
    for (i, routed) in rows.enumerated() {
      let row = scratch.routedRow.floats
      type.widen(scratch.normed.base + routed.row * hidden * type.sizeBytes, to: row, count: hidden)
      ck_scale(row, routed.weight, hidden)
      type.convert(row, to: scratch.routed.base + i * hidden * type.sizeBytes, count: hidden)
    }
  }
}
