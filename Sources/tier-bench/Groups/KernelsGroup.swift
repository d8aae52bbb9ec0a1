import CKernels
import Inference

/// How near the kernels of a prefill are to the fastest product of the matrix library, on one thread, in turns.
struct KernelsGroup: BenchmarkGroup {
  static let name = "kernels"
  static let summary = "block attention and a model's products in bf16, to the library's fastest product"
  static let needs: [BenchmarkNeed] = []

  private static let rounds = 7
  private static let secondsOfRound = 0.05
  /// [inputs, outputs]: long and square enough to reach what the library can.
  private static let fastest = [(576, 256), (1024, 256), (2048, 256)]
  /// SmolLM2-135M's: q, k and v; attention output; gate and up; down.
  private static let products = [(576, 960), (576, 576), (576, 3072), (1536, 576)]

  func run(_ bench: Bench) throws -> [Figure] {
    let compute = try Compute(type: .bf16, threadCount: 1)
    let fastest = try Self.fastest.map { try ProductProbe(inputs: $0.0, outputs: $0.1, compute: compute) }
    let products = try Self.products.map { try ProductProbe(inputs: $0.0, outputs: $0.1, compute: compute) }
    let blocks = [AttentionProbe(headDim: 64, isCausal: false), AttentionProbe(headDim: 64, isCausal: true)]
    var (peaks, model, past, own) = ([Double](), [Double](), [Double](), [Double]())
    let rounds = bench.pairs ?? Self.rounds
    for round in 0...rounds {
      bench.progress.show("round \(round) of \(rounds)")
      let peak = try fastest.map { try Self.rate($0) }.max()!
      let operations = products.reduce(0) { $0 + $1.operations(rows: ProductProbe.maxRows) }
      let seconds = try products.reduce(0) {
        $0 + $1.operations(rows: ProductProbe.maxRows) / (try Self.rate($1))
      }
      let rates = try blocks.map { block in block.operations / (try Self.shortest { block.run() }) }
      // The first warms up.
      guard round > 0 else { continue }
      peaks.append(peak / 1e9)
      model.append(operations / seconds / peak * 100)
      past.append(rates[0] / peak * 100)
      own.append(rates[1] / peak * 100)
    }
    return [
      .median("library_peak_gflops", "the library's fastest product in bf16, one thread", .gigaflops, of: peaks),
      .median(
        "model_products_percent", "  products of SmolLM2's shapes, of that", .percent, of: model, target: .atLeast(90)),
      .median(
        "block_attention_percent", "  attention to a past block, of that", .percent, of: past, target: .atLeast(70)),
      .median("own_block_attention_percent", "  attention to the own block (causal), of that", .percent, of: own),
    ]
  }

  /// Operations per second.
  private static func rate(_ probe: ProductProbe) throws -> Double {
    probe.operations(rows: ProductProbe.maxRows) / (try shortest { try probe.run(rows: ProductProbe.maxRows) })
  }

  /// The shortest of some runs, in seconds: what disturbs a run only lengthens it.
  private static func shortest(_ body: () throws -> Void) rethrows -> Double {
    let clock = ContinuousClock()
    var shortest = Duration.seconds(1000)
    var spent = Duration.zero
    repeat {
      let time = try clock.measure(body)
      shortest = min(shortest, time)
      spent += time
    } while spent < .seconds(secondsOfRound)
    return shortest / .seconds(1)
  }
}

/// 256 tokens of 3 query heads of one KV head, against a block of 256.
private final class AttentionProbe {
  private static let tokens = 256
  private static let heads = 3
  private let rows = tokens * heads
  private let headDim: Int
  private let memory: UnsafeMutableRawPointer
  private let scratch: UnsafeMutableRawPointer
  private var arguments = ck_attend_args()
  /// Multiplications and additions of what the rows see.
  let operations: Double

  init(headDim: Int, isCausal: Bool) {
    self.headDim = headDim
    let elements = (2 * Self.tokens + rows) * headDim
    let state = rows * (headDim + 2)
    memory = .allocate(byteCount: elements * 2 + (state + rows) * 4, alignment: 64)
    let numbers = memory.assumingMemoryBound(to: UInt16.self)
    // bf16 of ±1 to ±2, without a pattern that a row could repeat.
    for i in 0..<elements { numbers[i] = UInt16(truncatingIfNeeded: 0x3F80 | (i &* 7919) & 0x7F | (i &* 31 & 8) << 12) }
    let floats = (memory + elements * 2).assumingMemoryBound(to: Float.self)
    floats.initialize(repeating: 0, count: state)
    floats.update(repeating: -.infinity, count: rows)
    let limits = (memory + elements * 2 + state * 4).assumingMemoryBound(to: Int32.self)
    for row in 0..<rows { limits[row] = Int32(row / Self.heads) }
    scratch = .allocate(byteCount: ck_attend_scratch_bytes(CK_BF16, headDim, Self.tokens), alignment: 64)
    arguments.dtype = CK_BF16
    arguments.head_dim = headDim
    arguments.tokens = Self.tokens
    arguments.k = UnsafeRawPointer(numbers)
    arguments.v = UnsafeRawPointer(numbers + Self.tokens * headDim)
    arguments.rows = rows
    arguments.q = UnsafeRawPointer(numbers + 2 * Self.tokens * headDim)
    arguments.q_stride = headDim
    arguments.limit = isCausal ? UnsafePointer(limits) : nil
    arguments.scale = 1 / Float(headDim).squareRoot()
    arguments.m = floats
    arguments.l = floats + rows
    arguments.o = floats + 2 * rows
    let seen = isCausal ? (0..<rows).reduce(0) { $0 + $1 / Self.heads + 1 } : rows * Self.tokens
    operations = 4 * Double(seen * headDim)
  }

  deinit {
    memory.deallocate()
    scratch.deallocate()
  }

  /// Packs the block and attends to it, as the worker does.
  func run() {
    ck_pack_block(&arguments, scratch)
    ck_attend_block(&arguments, scratch)
  }
}
