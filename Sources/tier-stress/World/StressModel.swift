import TierCore
import TierTesting

/// The KV of one made-up model. It derives from the run's seed and the model's number, so that every process knows it.
struct StressModel {
  /// So many models share the store.
  static let count = 6

  let number: Int
  let layout: BlockLayout
  let layers: Int
  /// Empty where every layer reads everything.
  let reach: [LayerReach]

  init(_ number: Int, seed: UInt64) {
    var random = SeededRandom(seed: seed &* 1009 &+ UInt64(number))
    let elements: [ElementType] = [.bf16, .f32, .bf16, .opaque, .f16, .bf16]
    let headDims = [64, 32, 80, 33]
    let tokens = 16 << random.int(0...3)
    let made = BlockLayout(
      element: elements[number % elements.count], kvHeads: random.int(1...3),
      headDim: headDims[random.int(0...headDims.count - 1)], blockTokens: tokens)
    guard let made else { preconditionFailure("the shapes drawn are all within the limits") }
    self.number = number
    layout = made
    layers = random.int(2...5)
    // Every other model is a hybrid.
    let kinds: [LayerReach] = [.sliding(tokens: 3 * tokens - 5), .full, .chunked(tokens: 4 * tokens)]
    reach = number % 2 == 0 ? [] : (0..<layers).map { kinds[$0 % kinds.count] }
  }

  /// The first block of a layer that tokens read which follow the first `blocks` blocks.
  func firstInReach(_ layer: Int, before blocks: Int) -> Int {
    reach.isEmpty ? 0 : reach[layer].firstBlock(before: blocks, blockTokens: layout.blockTokens)
  }
}
