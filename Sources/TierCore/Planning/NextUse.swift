/// When a block is used next, in closed form (docs/ARCHITECTURE.md, "Planning"), in steps of its own sequence.
///
/// A prefill reads, for chunk c, for layer l, the past blocks of l. Counted in steps, step `c * layers + l` reads layer l:
/// a cyclic scan. Counted from the step to be consumed now, layer l' is read after `l' - l` steps if it comes later in
/// this cycle, and in the next cycle otherwise: the layer consumed last is the farthest.
enum NextUse {
  /// Of a block of `layer` that exists, seen from `step`: 0 for the layer of that step.
  static func steps(layer: Int, from step: Int, layers: Int) -> Int {
    let ahead = layer - step % layers
    return ahead >= 0 ? ahead : ahead + layers
  }

  /// Of a block that the chunk of `chunkStep` is writing in `layer`: that chunk has it at hand, the next one reads it.
  static func stepsOfNewborn(layer: Int, from step: Int, chunkStep: Int, layers: Int) -> Int {
    let first = (chunkStep / layers + 1) * layers + layer
    return max(first - step, steps(layer: layer, from: step, layers: layers))
  }
}

/// How far away a use is, comparable between sequences: in blocks that will have been acquired until then.
struct Distance: Comparable, Sendable {
  let blocks: Int

  /// No sequence names the block.
  static let never = Distance(blocks: Int.max)
  /// Nobody can tell: later than what is planned.
  static let unknown = Distance(blocks: Int.max - 1)
  static func < (a: Distance, b: Distance) -> Bool { a.blocks < b.blocks }
}

/// How many blocks all sequences acquire together while one of them makes a step: the time of a step, where there is no
/// clock. An average over the latest steps.
struct Pace: Sendable {
  private static let scale = 16
  private static let weight = 8
  private var scaled = Self.scale

  /// - Parameter blocks: acquired by all since the sequence's step before, `steps` steps ago.
  mutating func record(blocks: Int, steps: Int) {
    let latest = blocks * Self.scale / max(1, steps)
    scaled = max(1, scaled + (latest - scaled) / Self.weight)
  }

  func distance(steps: Int) -> Distance { Distance(blocks: steps * scaled / Self.scale) }
}
