import CKernels
import ModelFiles
import TierCore

/// Attends the queries of one chunk to blocks of K and V, one block after the other, merging by log-sum-exp in f32.
///
/// The order of the blocks is the caller's. A row's result depends on that order, the blocks and the row alone, not on
/// how the work is cut into parts.
final class BlockAttention {
  private let compute: Compute
  private let layout: BlockLayout
  private let heads: Int
  private let traits: AttentionTraits
  private let state: AttentionState
  /// [thread]
  private let scratch: [AlignedBuffer]
  /// [thread]: by row, the first and the last token of a block that it sees.
  private let starts: [UnsafeMutableBufferPointer<Int32>]
  private let limits: [UnsafeMutableBufferPointer<Int32>]

  /// Tokens of the chunk, their first position, and how they are shared out.
  private var tokens = 0
  private var position = 0
  private var isDecoding = false
  /// How far back the layer reads.
  private var span = AttentionSpan.full
  private var parts: [AttentionPart] = []
  private var isFresh: [Bool] = []
  /// Past blocks that some parts have merged and others have not, because their slot was reused meanwhile.
  private var merged: [Int: [Bool]] = [:]

  static let partTokens = 256
  /// Fewer tokens are not worth a part of their own.
  static let leastPartTokens = 32

  init(config: ModelConfig, layout: BlockLayout, compute: Compute, maxTokens: Int) {
    self.compute = compute
    self.layout = layout
    heads = config.queryHeads
    traits = config.attention
    state = AttentionState(heads: heads, headDim: layout.headDim, maxTokens: maxTokens)
    let bytes = ck_attend_scratch_bytes(compute.type.kernelType, layout.headDim, layout.blockTokens)
    scratch = compute.threads.map { _ in AlignedBuffer(byteCount: bytes) }
    let rows = max(maxTokens, heads)
    starts = compute.threads.map { _ in .allocate(capacity: rows) }
    limits = compute.threads.map { _ in .allocate(capacity: rows) }
  }

  deinit {
    for rows in starts + limits { rows.deallocate() }
  }

  /// - Parameter isDecoding: one token: blocks are read where they lie, without packing.
  func beginChunk(tokens: Int, position: Int, isDecoding: Bool) {
    self.tokens = tokens
    self.position = position
    self.isDecoding = isDecoding
    parts = makeParts()
  }

  /// All rows have seen nothing.
  /// - Parameter span: how far back each of them reads.
  func beginLayer(_ span: AttentionSpan) {
    self.span = span
    isFresh = Array(repeating: true, count: parts.count)
    merged.removeAll(keepingCapacity: true)
  }

  /// Attends the chunk to the blocks it wrote, each row up to its own token.
  /// - Parameter queries: [token][head][headDim] in the compute type.
  func attendOwn(_ blocks: [OwnBlock], queries: UnsafeRawPointer) throws {
    try forEachPart { part, thread in
      for block in blocks { attend(block, part, queries, thread) }
    }
  }

  /// Attends the chunk to past blocks, in this order.
  /// - Parameter isCurrent: whether the bytes read were still those leased; called from any thread.
  /// - Returns: blocks that not all rows could use; attended again, they are merged where they were not.
  func attendPast(
    _ blocks: [LeasedBlock], queries: UnsafeRawPointer, ordered: Bool, isCurrent: (LeasedBlock) -> Bool
  ) throws -> [Int] {
    let done = PartMarks(parts: parts.count, blocks: blocks.count)
    for (b, block) in blocks.enumerated() {
      guard let marks = merged[block.index] else { continue }
      for (p, isMerged) in marks.enumerated() { done[p, b] = isMerged }
    }
    try forEachIndexedPart { index, part, thread in
      for (b, block) in blocks.enumerated() where !done[index, b] {
        done[index, b] = attend(block, part, queries, thread, isCurrent)
        // In order, nothing may overtake a block that is missing.
        if ordered, !done[index, b] { return }
      }
    }
    var stale: [Int] = []
    for (b, block) in blocks.enumerated() {
      let marks = (0..<parts.count).map { done[$0, b] }
      if marks.allSatisfy({ $0 }) { continue }
      stale.append(block.index)
      merged[block.index] = marks
    }
    return stale
  }

  /// Normalised outputs of tokens `rows`: [row][head][headDim] in the compute type, from `target` on.
  func finish(tokens rows: Range<Int>, into target: UnsafeMutableRawPointer) {
    let headDim = layout.headDim
    for head in 0..<heads {
      let row = head * tokens + rows.lowerBound
      ck_attend_finish(
        state.o.floats + row * headDim, state.l.floats + row, rows.count, headDim,
        target + head * headDim * compute.type.sizeBytes, compute.type.kernelType, heads * headDim)
    }
  }

  private func makeParts() -> [AttentionPart] {
    let group = heads / layout.kvHeads
    let wanted = 2 * compute.pool.threadCount
    // One token has too few rows to share out but its heads.
    if tokens == 1, layout.kvHeads < wanted {
      return (0..<heads).map { AttentionPart(kvHead: $0 / group, heads: $0..<$0 + 1, tokens: 0..<1) }
    }
    let most = tokens.dividedRoundingUp(by: Self.leastPartTokens)
    let least = tokens.dividedRoundingUp(by: Self.partTokens)
    let runs = max(least, min(most, wanted.dividedRoundingUp(by: layout.kvHeads)))
    let size = tokens.dividedRoundingUp(by: runs).roundedUp(toMultipleOf: Self.leastPartTokens)
    var parts: [AttentionPart] = []
    // Late tokens see most of the chunk: their parts go first, so that no thread is left alone with one.
    for start in stride(from: 0, to: tokens, by: size).reversed() {
      for kvHead in 0..<layout.kvHeads {
        let range = start..<min(start + size, tokens)
        parts.append(AttentionPart(kvHead: kvHead, heads: kvHead * group..<(kvHead + 1) * group, tokens: range))
      }
    }
    return parts
  }

  private func forEachPart(_ body: (AttentionPart, Int) -> Void) throws {
    try forEachIndexedPart { _, part, thread in body(part, thread) }
  }

  private func forEachIndexedPart(_ body: (Int, AttentionPart, Int) -> Void) throws {
    let fresh = isFresh
    try compute.pool.run(parts.count) { index, thread in
      if fresh[index] { state.reset(parts[index], tokens: tokens, headDim: layout.headDim) }
      body(index, parts[index], thread)
    }
    isFresh = Array(repeating: false, count: parts.count)
  }

  /// - Returns: whether the block was current, or out of reach, and is merged.
  private func attend(
    _ block: LeasedBlock, _ part: AttentionPart, _ queries: UnsafeRawPointer, _ thread: Int,
    _ isCurrent: (LeasedBlock) -> Bool
  ) -> Bool {
    let start = block.index * layout.blockTokens - position
    let rows = part.tokens.clamped(to: 0..<readers(before: start + layout.blockTokens))
    guard !rows.isEmpty else { return true }
    var arguments = arguments(block.bytes, tokens: layout.blockTokens, kvHead: part.kvHead)
    if isDecoding {
      see(&arguments, from: start, rows: 0..<1, repeated: part.heads.count, thread)
      return attendUnpacked(&arguments, part, queries, thread) { isCurrent(block) }
    }
    ck_pack_block(&arguments, scratch[thread].base)
    // The pack is our own: what happens to the slot from here on does not matter.
    guard isCurrent(block) else { return false }
    see(&arguments, from: start, rows: rows, thread)
    attendRows(&arguments, part, rows, queries, thread)
    return true
  }

  private func attend(_ block: OwnBlock, _ part: AttentionPart, _ queries: UnsafeRawPointer, _ thread: Int) {
    let start = block.index * layout.blockTokens - position
    let visible = max(0, start)..<max(0, start, readers(before: start + block.tokens))
    let rows = part.tokens.clamped(to: visible)
    guard !rows.isEmpty else { return }
    var arguments = arguments(block.bytes, tokens: block.tokens, kvHead: part.kvHead)
    if isDecoding {
      see(&arguments, from: start, rows: rows, repeated: part.heads.count, thread)
      _ = attendUnpacked(&arguments, part, queries, thread) { true }
      return
    }
    ck_pack_block(&arguments, scratch[thread].base)
    if rows.lowerBound - start < block.tokens - 1 {
      for (i, row) in rows.enumerated() { limits[thread][i] = Int32(min(row - start, block.tokens - 1)) }
      arguments.limit = UnsafePointer(limits[thread].baseAddress!)
    }
    see(&arguments, from: start, rows: rows, thread)
    attendRows(&arguments, part, rows, queries, thread)
  }

  /// Where the tokens of the chunk end that read anything before token `end` of it.
  private func readers(before end: Int) -> Int { max(0, min(tokens, span.readers(before: position + end) - position)) }

  /// Tells from which token of a block on each row sees it, if that is not the first for all.
  /// - Parameters:
  ///   - start: of the block, as a token of the chunk; past blocks are before it.
  ///   - count: rows of the same token, for one.
  private func see(
    _ arguments: inout ck_attend_args, from start: Int, rows: Range<Int>, repeated count: Int = 1, _ thread: Int
  ) {
    func first(_ row: Int) -> Int { span.firstPosition(readBy: position + row) - position - start }
    guard first(rows.upperBound - 1) > 0 else { return }
    for i in 0..<rows.count * count {
      starts[thread][i] = Int32(max(0, first(rows.lowerBound + i / count)))
    }
    arguments.start = UnsafePointer(starts[thread].baseAddress!)
  }

  private func arguments(_ bytes: UnsafeRawPointer, tokens: Int, kvHead: Int) -> ck_attend_args {
    let headBytes = layout.blockTokens * layout.headDim * layout.element.sizeBytes
    var arguments = ck_attend_args()
    arguments.dtype = compute.type.kernelType
    arguments.head_dim = layout.headDim
    arguments.tokens = tokens
    arguments.k = bytes + kvHead * headBytes
    arguments.v = bytes + layout.keyBytes + kvHead * headBytes
    arguments.scale = traits.scale
    arguments.soft_cap = traits.softCap ?? 0
    return arguments
  }

  private func attendRows(
    _ arguments: inout ck_attend_args, _ part: AttentionPart, _ rows: Range<Int>, _ queries: UnsafeRawPointer,
    _ thread: Int
  ) {
    arguments.rows = rows.count
    arguments.q_stride = heads * layout.headDim
    for head in part.heads {
      point(&arguments, head, rows.lowerBound, queries)
      ck_attend_block(&arguments, scratch[thread].base)
    }
  }

  private func point(_ arguments: inout ck_attend_args, _ head: Int, _ token: Int, _ queries: UnsafeRawPointer) {
    let row = head * tokens + token
    arguments.q = queries + (token * heads + head) * layout.headDim * compute.type.sizeBytes
    arguments.m = state.m.floats + row
    arguments.l = state.l.floats + row
    arguments.o = state.o.floats + row * layout.headDim
  }

  /// One token: into a copy of its state, which counts only if the block was current throughout.
  private func attendUnpacked(
    _ arguments: inout ck_attend_args, _ part: AttentionPart, _ queries: UnsafeRawPointer, _ thread: Int,
    isCurrent: () -> Bool
  ) -> Bool {
    let (rows, headDim) = (part.heads.count, layout.headDim)
    let first = part.heads.lowerBound
    arguments.rows = rows
    arguments.q_stride = headDim
    point(&arguments, first, 0, queries)
    let (m, l, o) = (arguments.m!, arguments.l!, arguments.o!)
    return withUnsafeTemporaryAllocation(of: Float.self, capacity: rows * (headDim + 2)) { copy in
      let base = copy.baseAddress!
      base.initialize(from: m, count: rows)
      (base + rows).initialize(from: l, count: rows)
      (base + 2 * rows).initialize(from: o, count: rows * headDim)
      arguments.m = base
      arguments.l = base + rows
      arguments.o = base + 2 * rows
      ck_attend_block_unpacked(&arguments)
      guard isCurrent() else { return false }
      m.update(from: base, count: rows)
      l.update(from: base + rows, count: rows)
      o.update(from: base + 2 * rows, count: rows * headDim)
      return true
    }
  }
}

/// Which parts have merged which blocks of a batch. Each part's marks are written by the one thread that does it.
private final class PartMarks {
  private let blocks: Int
  private let marks: UnsafeMutableBufferPointer<Bool>

  init(parts: Int, blocks: Int) {
    self.blocks = blocks
    marks = .allocate(capacity: parts * blocks)
    marks.initialize(repeating: false)
  }

  deinit {
    marks.deallocate()
  }

  subscript(part: Int, block: Int) -> Bool {
    get { marks[part * blocks + block] }
    set { marks[part * blocks + block] = newValue }
  }
}
