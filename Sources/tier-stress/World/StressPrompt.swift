import TierCore
import TierTesting

/// A made-up prompt: a run of blocks that begins as other prompts of its root do, and goes its own way from a block on.
struct StressPrompt {
  let model: StressModel
  let root: UInt64
  /// The block at which it leaves its root, and by which of the ways.
  let branchAt: Int
  let branch: UInt64
  let blocks: Int

  /// Few, so that prefixes meet.
  private static let roots: UInt64 = 3
  private static let sharedBranches = 4

  init(seed: UInt64, maxBlocks: Int, _ random: inout SeededRandom) {
    model = StressModel(random.int(0...StressModel.count - 1), seed: seed)
    root = seed &+ UInt64(model.number) &* Self.roots &+ UInt64(random.int(0...Int(Self.roots) - 1))
    blocks = random.int(3...max(3, maxBlocks))
    branchAt = random.int(0...blocks)
    // A prompt in three is nobody else's.
    branch = random.once(in: 3) ? random.next() | 1 << 63 : UInt64(random.int(0...Self.sharedBranches - 1))
  }

  /// One that reads everything in every layer, and shares nothing.
  init(blocks: Int, ofNobodyElse seed: UInt64) {
    model = StressModel(0, seed: seed)
    root = seed
    (branchAt, branch) = (0, 1 << 62 | seed)
    self.blocks = blocks
  }

  /// Equal prefixes have equal ids, as protocol.md's rule has it; to the daemon an id is opaque.
  func id(_ block: Int) -> BlockID {
    guard block >= branchAt else { return BlockID(a: root, b: UInt64(block), c: 0, d: 0) }
    return BlockID(a: root, b: UInt64(block), c: branch &+ 1, d: UInt64(branchAt) + 1)
  }
}
