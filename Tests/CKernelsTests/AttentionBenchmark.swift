import CKernels
import Glibc
import Testing

/// Opt-in: `CK_BENCHMARK=1 swift test -c release -Xswiftc -enable-testing --filter AttentionBenchmark`.
@Suite(.enabled(if: getenv("CK_BENCHMARK") != nil)) struct AttentionBenchmark {
  @Test func prefillAndDecode() {
    print("block attention, head_dim 64, one thread, GFLOP/s (packing in µs a block)")
    for level in levels {
      for (name, dtype) in [("f32", CK_F32), ("bf16", CK_BF16)] {
        let block = AttentionCase(dtype: dtype, headDim: 64, tokens: 256, rows: 1536)
        var figures: [String] = []
        for rows in [1536, 768] {
          figures.append("\(rows) rows \(rate(block, level, rows, .packed))")
        }
        var causal = block
        causal.limits = (0..<1536).map { Int32($0 / 3) }
        figures.append("causal 768 rows \(rate(causal, level, 768, .packed))")
        figures.append("decode 3 rows \(rate(block, level, 3, .unpacked))")
        print("  \(level) \(name): \(figures.joined(separator: ", ")) (\(packing(block, level)))")
      }
    }
  }

  private func rate(_ block: AttentionCase, _ level: Level, _ rows: Int, _ path: AttentionCase.Path) -> Int {
    let limits = block.limits.map { $0[..<rows].map { min(Int($0) + 1, block.tokens) } }
    let seen = limits?.reduce(0, +) ?? rows * block.tokens
    let seconds = best(block, level, rows: rows) { block.run(&$0, rows: 0..<rows, $1, path) }
    return Int(4 * Double(seen * block.headDim) / seconds / 1e9)
  }

  private func packing(_ block: AttentionCase, _ level: Level) -> Int {
    Int(best(block, level, rows: 1) { block.run(&$0, rows: 0..<1, $1, .packing) } * 1e6)
  }

  /// The shortest of some runs, in seconds: what disturbs a run only lengthens it.
  private func best(
    _ block: AttentionCase, _ level: Level, rows: Int, _ body: (inout AttentionState, UnsafeMutableRawPointer) -> Void
  ) -> Double {
    atLevel(level) {
      let scratch = block.allocateScratch()
      defer { scratch.deallocate() }
      var state = AttentionState(rows: block.rows, headDim: block.headDim)
      block.run(&state, rows: 0..<1, scratch, .packing)
      var shortest = Duration.seconds(9)
      var spent = Duration.zero
      repeat {
        let time = ContinuousClock().measure { body(&state, scratch) }
        shortest = min(shortest, time)
        spent += time
      } while spent < .milliseconds(60)
      return shortest / .seconds(1)
    }
  }
}
