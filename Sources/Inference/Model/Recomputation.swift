import TierCore

/// Computes lost blocks again from their tokens, while the pass that needs them waits.
///
/// A block is computed in all layers by a pass of its own, which needs the blocks before it. Where one of those is lost
/// too, that pass waits in turn: a stack, each entry of an earlier block than the one under it. With `--ordered` the
/// bytes are those of the first time: tokens that were read are computed as a chunk, generated ones one by one.
final class Recomputation {
  /// A pass, or the passes of one block, and where it waits.
  private final class Work {
    let model: Transformer
    /// Positions of each pass; nil: the pass that was interrupted.
    let passes: [Range<Int>]
    let buffers: [AlignedBuffer]
    var next = 0
    var pass: ChunkPass?
    var interrupted: InterruptedChunk?

    init(_ pass: ChunkPass) {
      model = pass.model
      self.pass = pass
      passes = []
      buffers = []
    }

    init(_ model: Transformer, passes: [Range<Int>], buffers: [AlignedBuffer]) {
      self.model = model
      self.passes = passes
      self.buffers = buffers
    }
  }

  private let kv: TieredKV
  private let first: Transformer
  private var stack: [Work]
  /// Blocks that may be computed before the store is given up: one that loses all it is given never ends otherwise.
  private var passesLeft: Int

  /// - Parameter pass: threw `.lost` for these blocks.
  init(of blocks: [Int], interrupting pass: ChunkPass, kv: TieredKV) throws {
    self.kv = kv
    first = pass.model
    stack = [Work(pass)]
    passesLeft = 32 + 8 * (kv.position / kv.layout.blockTokens + 1)
    try push(blocks)
  }

  /// Returns when the interrupted pass has run to its end.
  /// - Throws: `KVError.lost` where the store loses blocks faster than they are computed, and what a pass throws.
  func run() throws {
    while let work = stack.last {
      do {
        try run(work)
        stack.removeLast()
      } catch KVError.lost(_, let blocks) {
        try push(blocks)
      }
    }
  }

  private func run(_ work: Work) throws {
    if let interrupted = work.interrupted {
      work.interrupted = nil
      try kv.resume(interrupted)
    }
    while true {
      if let pass = work.pass {
        try pass.run(kv)
        if work.passes.isEmpty { return }
        try kv.end()
        work.pass = nil
        work.next += 1
      }
      guard work.next < work.passes.count else { return }
      let positions = work.passes[work.next]
      kv.beginAgain(positions, into: work.buffers)
      work.pass = ChunkPass(
        work.model, kv.tokens[positions], position: positions.lowerBound,
        isDecoding: positions.lowerBound >= kv.decodedFrom)
    }
  }

  /// The pass on top waits for these blocks, the earliest first.
  private func push(_ blocks: [Int]) throws {
    let layer = kv.current?.layer ?? 0
    stack.last!.interrupted = try kv.interrupt()
    for block in blocks.sorted(by: >) {
      guard passesLeft > 0 else { throw KVError.lost(layer: layer, blocks: blocks) }
      passesLeft -= 1
      kv.statistics.blocksRecomputed += 1
      let passes = kv.passes(of: block)
      let shared = AlignedBuffer(byteCount: kv.layout.payloadBytes)
      let buffers = (0..<kv.layers).map { _ in
        // What one pass writes is read by the next one of the same block only.
        passes.count > 1 ? AlignedBuffer(byteCount: kv.layout.payloadBytes) : shared
      }
      stack.append(Work(first.sibling(depth: stack.count), passes: passes, buffers: buffers))
    }
  }
}

extension TieredKV {
  /// The positions of each pass that computes a block again: what was read at once, what was generated one by one.
  func passes(of block: Int) -> [Range<Int>] {
    let size = layout.blockTokens
    let positions = block * size..<(block + 1) * size
    let read = positions.clamped(to: 0..<min(decodedFrom, positions.upperBound))
    let generated = positions.clamped(to: max(decodedFrom, positions.lowerBound)..<Int.max)
    return (read.isEmpty ? [] : [read]) + generated.map { $0..<$0 + 1 }
  }
}
