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
  ///   - key: [kvHead][headDim], turned.
  ///   - value: [kvHead][headDim]
  func store(_ key: UnsafePointer<Float>, _ value: UnsafePointer<Float>, position: Int) {
    let target = kv.ownKey(token: position)
    let headBytes = layout.blockTokens * layout.headDim * layout.element.sizeBytes
    for head in 0..<layout.kvHeads {
      let (from, to) = (head * layout.headDim, target + head * headBytes)
      type.convert(key + from, to: to, count: layout.headDim)
      type.convert(value + from, to: to + layout.keyBytes, count: layout.headDim)
    }
  }
}
