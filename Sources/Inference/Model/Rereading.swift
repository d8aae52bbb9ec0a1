import ModelFiles
import TierCore

/// Computes lost blocks of a hybrid model again, while the pass that needs them waits.
///
/// A lost block cannot be computed by itself: its sliding and chunked layers read blocks that the store has let go, because
/// they were passed. So the text is read again, block after block, from the nearest place before which no such layer reads
/// anything (the beginning, or where a chunk begins), until what was lost is there. Meanwhile those layers' windows are the
/// worker's own; full layers read from the store. It begins anew where that loses more: it never recurses. With `--ordered`
/// the bytes are those of the first time.
final class Rereading {
  private let kv: TieredKV
  private let pass: ChunkPass
  private let model: Transformer
  private var lost: [Int]
  /// Readings that may begin before the store is given up: one that loses all it is given never ends otherwise.
  private var readingsLeft = 64

  /// - Parameter pass: threw `.lost` for these blocks.
  init(of blocks: [Int], interrupting pass: ChunkPass, kv: TieredKV) {
    self.kv = kv
    self.pass = pass
    model = pass.model.sibling(depth: 1)
    lost = blocks
  }

  /// Returns when the interrupted pass has run to its end.
  /// - Throws: `KVError.lost` where the store loses blocks faster than they are computed, and what a pass throws.
  func run() throws {
    while true {
      let interrupted = try kv.interrupt()
      let end = lost.max()! + 1
      while !(try read(to: end)) {}
      try kv.resume(interrupted)
      do {
        return try pass.run(kv)
      } catch KVError.lost(_, let more) {
        lost = more
      }
    }
  }

  /// Reads up to block `end` from before the first that is lost.
  /// - Returns: false where a block of before was lost meanwhile: it is among `lost` then.
  private func read(to end: Int) throws -> Bool {
    let layer = kv.current?.layer ?? 0
    guard readingsLeft > 0 else { throw KVError.lost(layer: layer, blocks: lost) }
    readingsLeft -= 1
    let windows = kv.reach.map { $0 == .full ? nil : LocalWindow() }
    let shared = AlignedBuffer(byteCount: kv.layout.payloadBytes)
    for block in boundary(before: lost.min()!)..<end {
      let passes = kv.passes(of: block)
      let buffers = windows.map { window in
        // A window keeps the block; what one pass writes is read by the next one of the same block only.
        window != nil || passes.count > 1 ? AlignedBuffer(byteCount: kv.layout.payloadBytes) : shared
      }
      for positions in passes {
        kv.beginAgain(positions, into: buffers, windows: windows)
        do {
          try ChunkPass(
            model, kv.tokens[positions], position: positions.lowerBound,
            isDecoding: positions.lowerBound >= kv.decodedFrom
          ).run(kv)
        } catch KVError.lost(_, let more) {
          _ = try kv.interrupt()
          lost += more
          return false
        }
        try kv.end()
      }
      kv.statistics.blocksRecomputed += 1
      keep(block, buffers, in: windows)
    }
    return true
  }

  private func keep(_ block: Int, _ buffers: [AlignedBuffer], in windows: [LocalWindow?]) {
    for (layer, window) in windows.enumerated() {
      guard let window else { continue }
      window.append(block, buffers[layer])
      window.drop(before: kv.firstBlock(readBy: (block + 1) * kv.layout.blockTokens, layer: layer))
    }
  }

  /// The last block up to `block` before which only full layers read anything.
  private func boundary(before block: Int) -> Int {
    let size = kv.layout.blockTokens
    return (0...block).last { candidate in
      kv.reach.indices.allSatisfy { layer in
        kv.reach[layer] == .full || kv.firstBlock(readBy: candidate * size, layer: layer) >= candidate
      }
    } ?? 0
  }
}
