import ModelFiles
import TierCore

/// Puts K and V of single tokens into a chunk's own blocks, rounded to the cache's type, in the layout of a slot.
struct KVWriter {
  let kv: TieredKV
  let type: ComputeType
  private let layout: BlockLayout

  init(kv: TieredKV, config: ModelConfig, type: ComputeType) {
    self.kv = kv
    self.type = type
    layout = kv.layout
  }

  /// - Parameters:
  ///   - values: [head][headDim], keys turned.
  ///   - heads: which: those of K first, then those of V.
  func store(_ values: UnsafePointer<Float>, heads: Range<Int>, position: Int) {
    let target = kv.ownKey(token: position)
    // V lies behind K as one more run of heads would.
    let headBytes = layout.blockTokens * layout.headDim * layout.element.sizeBytes
    for (i, head) in heads.enumerated() {
      type.convert(values + i * layout.headDim, to: target + head * headBytes, count: layout.headDim)
    }
  }
}
