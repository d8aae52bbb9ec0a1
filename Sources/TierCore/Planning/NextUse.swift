/// When a block is used next, in closed form (docs/ARCHITECTURE.md, "Planning").
///
/// A prefill reads, for chunk c, for layer l, the blocks (l, 0..<past). At (c, l) a block of layer l' is used next
/// after `l' - l` steps if l' > l, and a whole cycle later otherwise: the layer just consumed is the farthest.
struct NextUse: Comparable, Sendable {
  /// Steps (layers) from now; `never` for blocks no sequence names.
  let steps: Int

  static let never = NextUse(steps: Int.max)
  static func < (a: NextUse, b: NextUse) -> Bool { a.steps < b.steps }

  static func of(layer: Int, at current: Int, layers: Int) -> NextUse {
    NextUse(steps: layer > current ? layer - current : layer - current + layers)
  }
}
