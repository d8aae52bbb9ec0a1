import CKernels
import Glibc

/// One block and the queries that attend to it, in `dtype`, with the same numbers as Double for the reference.
struct AttentionCase: Sendable {
  let dtype: ck_dtype
  let headDim: Int
  let tokens: Int
  let rows: Int
  let scale: Float
  var limits: [Int32]?
  /// The first token each row sees.
  var starts: [Int32]?
  var softCap: Float = 0
  /// Elements from one row of q to the next.
  let queryStride: Int
  private let k: [UInt8]
  private let v: [UInt8]
  private var q: [UInt8]
  let keys: [Double]
  let values: [Double]
  private(set) var queries: [Double]

  init(
    dtype: ck_dtype, headDim: Int, tokens: Int, rows: Int, limits: [Int32]? = nil, seed: UInt64 = 1,
    scale: Float? = nil, queryMagnitude: Float = 2, queryPadding: Int = 0
  ) {
    var generator = SeededGenerator(seed &+ UInt64(headDim * 1_000_003 + tokens))
    self.dtype = dtype
    self.headDim = headDim
    self.tokens = tokens
    self.rows = rows
    self.limits = limits
    self.scale = scale ?? 1 / Float(headDim).squareRoot()
    queryStride = headDim + queryPadding
    let factor = queryMagnitude / 2
    (k, keys) = stored(generator.floats(tokens * headDim), dtype)
    (v, values) = stored(generator.floats(tokens * headDim), dtype)
    (q, queries) = stored(generator.floats(rows * queryStride).map { $0 * factor }, dtype)
  }

  /// This block, asked the questions of another.
  func asked(_ other: AttentionCase) -> AttentionCase {
    var copy = self
    copy.q = other.q
    copy.queries = other.queries
    return copy
  }

  enum Path { case packing, packed, unpacked }

  func allocateScratch() -> UnsafeMutableRawPointer {
    .allocate(byteCount: ck_attend_scratch_bytes(dtype, headDim, tokens), alignment: 64)
  }

  /// Merges this block into rows `range` of `state`, at the level in force.
  func attend(_ state: inout AttentionState, rows range: Range<Int>? = nil, packed: Bool = true) {
    let scratch = allocateScratch()
    defer { scratch.deallocate() }
    if packed { run(&state, rows: 0..<rows, scratch, .packing) }
    run(&state, rows: range ?? 0..<rows, scratch, packed ? .packed : .unpacked)
  }

  func run(_ state: inout AttentionState, rows range: Range<Int>, _ scratch: UnsafeMutableRawPointer, _ path: Path) {
    let elementBytes = dtype == CK_F32 ? 4 : 2
    k.withUnsafeBytes { k in
      v.withUnsafeBytes { v in
        q.withUnsafeBytes { q in
          with(limits, starts) { limits, starts in
            state.withPointers { m, l, o in
              var arguments = ck_attend_args(
                dtype: dtype, head_dim: headDim, tokens: tokens, k: k.baseAddress, v: v.baseAddress, rows: range.count,
                q: q.baseAddress.map { $0 + range.lowerBound * queryStride * elementBytes }, q_stride: queryStride,
                start: starts.map { $0 + range.lowerBound }, limit: limits.map { $0 + range.lowerBound },
                scale: scale, soft_cap: softCap, m: m + range.lowerBound,
                l: l + range.lowerBound, o: o + range.lowerBound * headDim)
              switch path {
              case .packing: ck_pack_block(&arguments, scratch)
              case .packed: ck_attend_block(&arguments, scratch)
              case .unpacked: ck_attend_block_unpacked(&arguments)
              }
            }
          }
        }
      }
    }
  }

  private func with(
    _ limits: [Int32]?, _ starts: [Int32]?, _ body: (UnsafePointer<Int32>?, UnsafePointer<Int32>?) -> Void
  ) {
    func with(_ rows: [Int32]?, _ body: (UnsafePointer<Int32>?) -> Void) {
      if let rows { rows.withUnsafeBufferPointer { body($0.baseAddress) } } else { body(nil) }
    }
    with(limits) { limits in with(starts) { body(limits, $0) } }
  }

  /// The tokens that row `row` sees.
  func visible(row: Int) -> Range<Int> {
    let end = max(0, min(tokens, limits.map { Int($0[row]) + 1 } ?? tokens))
    let start = max(0, starts.map { Int($0[row]) } ?? 0)
    return min(start, end)..<end
  }

  /// Logits of row `row`, exact, for the tokens it sees.
  func logits(row: Int) -> [Double] {
    visible(row: row).map { token in
      var sum = 0.0
      for d in 0..<headDim { sum += queries[row * queryStride + d] * keys[token * headDim + d] }
      let logit = sum * Double(scale)
      return softCap > 0 ? Double(softCap) * tanh(logit / Double(softCap)) : logit
    }
  }
}

/// A running softmax over blocks: `o / l` is the output.
struct AttentionState: Sendable, Equatable {
  var m: [Float]
  var l: [Float]
  var o: [Float]
  let headDim: Int

  init(rows: Int, headDim: Int) {
    m = Array(repeating: -.infinity, count: rows)
    l = Array(repeating: 0, count: rows)
    o = Array(repeating: 0, count: rows * headDim)
    self.headDim = headDim
  }

  /// Equal bits, not only equal numbers.
  static func == (a: Self, b: Self) -> Bool {
    a.m.bits == b.m.bits && a.l.bits == b.l.bits && a.o.bits == b.o.bits
  }

  func output(row: Int) -> [Float] { o[row * headDim..<(row + 1) * headDim].map { $0 / l[row] } }

  fileprivate mutating func withPointers(
    _ body: (UnsafeMutablePointer<Float>, UnsafeMutablePointer<Float>, UnsafeMutablePointer<Float>) -> Void
  ) {
    m.withUnsafeMutableBufferPointer { m in
      l.withUnsafeMutableBufferPointer { l in
        o.withUnsafeMutableBufferPointer { o in body(m.baseAddress!, l.baseAddress!, o.baseAddress!) }
      }
    }
  }
}

/// Exact attention of one row to all of `blocks` at once; nil where it sees no token.
func exactAttention(_ blocks: [AttentionCase], row: Int) -> [Double]? {
  let logits = blocks.map { $0.logits(row: row) }
  guard let highest = logits.joined().max() else { return nil }
  var sum = 0.0
  var output = [Double](repeating: 0, count: blocks[0].headDim)
  for (block, logits) in zip(blocks, logits) {
    for (token, logit) in zip(block.visible(row: row), logits) {
      let weight = exp(logit - highest)
      sum += weight
      for d in 0..<block.headDim { output[d] += weight * block.values[token * block.headDim + d] }
    }
  }
  return output.map { $0 / sum }
}

/// The bytes of `numbers` in `dtype`, and the numbers that those bytes stand for.
private func stored(_ numbers: [Float], _ dtype: ck_dtype) -> ([UInt8], [Double]) {
  switch dtype {
  case CK_BF16:
    let bits = numbers.map { UInt16(truncatingIfNeeded: $0.bitPattern >> 16) }
    return (bits.withUnsafeBytes { [UInt8]($0) }, bits.map { Double(Float(bitPattern: UInt32($0) << 16)) })
  case CK_F16:
    let halves = numbers.map { Float16($0) }
    return (halves.withUnsafeBytes { [UInt8]($0) }, halves.map { Double($0) })
  default:
    return (numbers.withUnsafeBytes { [UInt8]($0) }, numbers.map { Double($0) })
  }
}
