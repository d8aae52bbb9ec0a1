/// When a block is used next, in closed form (docs/ARCHITECTURE.md, "Planning").
///
/// A prefill reads, for chunk c, for layer l, the past blocks of l. Counted in steps, step `c * layers + l` reads layer l:
/// a cyclic scan. Counted from the step to be consumed now, layer l' is read after `l' - l` steps if it comes later in
/// this cycle, and in the next cycle otherwise: the layer consumed last is the farthest.
struct NextUse: Comparable, Sendable {
  /// Steps (layers) from the one being consumed, whose own are 0; `never` for blocks no sequence names.
  let steps: Int

  static let never = NextUse(steps: Int.max)
  static func < (a: NextUse, b: NextUse) -> Bool { a.steps < b.steps }

  /// Of a block of `layer` that exists, seen from `step`.
  static func of(layer: Int, from step: Int, layers: Int) -> NextUse {
    let ahead = layer - step % layers
    return NextUse(steps: ahead >= 0 ? ahead : ahead + layers)
  }

  /// Of a block that the chunk of `step` is writing in `layer`: that chunk has it at hand, the next one reads it.
  static func ofNewborn(layer: Int, from step: Int, chunkStep: Int, layers: Int) -> NextUse {
    let first = (chunkStep / layers + 1) * layers + layer
    return NextUse(steps: max(first - step, of(layer: layer, from: step, layers: layers).steps))
  }
}
