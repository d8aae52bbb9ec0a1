import CKernels
import Testing

private let dtypes = [CK_F32, CK_BF16, CK_F16]
private let headDims = [64, 80, 96, 128, 256, 2, 34]
private let tokenCounts = [1, 17, 255, 256, 257, 600]

/// f32 arithmetic leaves a few last places. A weight rounded to bf16 errs by up to 2^-9 of itself, so their mean by as much
/// of the values' spread, here 4.
private func tolerance(_ level: Level, _ dtype: ck_dtype, packed: Bool) -> Double {
  packed && dtype == CK_BF16 && level.roundsWeights ? 4 * 0x1p-9 : 1e-5
}

/// Limits of every kind: none visible, the first token only, middles, the last, and beyond.
private func mixedLimits(_ rows: Int, _ tokens: Int) -> [Int32] {
  let kinds = [-1, 0, tokens / 2, tokens - 1, tokens + 9, tokens / 3, -7, min(15, tokens), min(16, tokens)]
  return (0..<rows).map { Int32(kinds[$0 % kinds.count]) }
}

/// Limits of a causal block: three heads to a token.
private func causalLimits(_ rows: Int) -> [Int32] { (0..<rows).map { Int32($0 / 3) } }

/// Limits of rows far apart, as of tokens that see windows in different places of a block, and beyond it.
private func slidingLimits(_ rows: Int, _ tokens: Int) -> [Int32] {
  (0..<rows).map { Int32($0 * (tokens + 60) / rows) }
}

@Suite struct AttentionTests {
  @Test("agrees with exact attention, whole block and limited", arguments: levels, [true, false])
  func agreesWithExact(level: Level, packed: Bool) {
    for dtype in dtypes {
      for headDim in headDims {
        for tokens in tokenCounts where headDim == 64 || tokens < 300 {
          let rows = headDim == 64 ? 37 : 19
          for limits in [nil, mixedLimits(rows, tokens)] {
            let block = AttentionCase(
              dtype: dtype, headDim: headDim, tokens: tokens, rows: rows, limits: limits, queryPadding: headDim % 5)
            let state = attended([block], level, packed: packed)
            expectExact(state, [block], tolerance(level, dtype, packed: packed), "\(dtype) \(headDim) \(tokens)")
          }
        }
      }
    }
  }

  @Test(
    "agrees with exact attention where rows see a window, and where logits are capped", arguments: levels,
    [true, false])
  func windowsAndCaps(level: Level, packed: Bool) {
    for dtype in dtypes {
      for headDim in [64, 256, 34] {
        for tokens in [1, 31, 256, 600] where headDim == 64 || tokens < 300 {
          for window in [1, 7, 100] {
            for cap: Float in [0, 5] {
              let rows = 41
              var block = AttentionCase(
                dtype: dtype, headDim: headDim, tokens: tokens, rows: rows, limits: slidingLimits(rows, tokens),
                queryMagnitude: 6)
              block.starts = block.limits!.map { $0 - Int32(window) + 1 }
              block.softCap = cap
              let state = attended([block], level, packed: packed)
              expectExact(
                state, [block], tolerance(level, dtype, packed: packed),
                "\(dtype) \(headDim) \(tokens) \(window) \(cap)")
            }
          }
        }
      }
    }
  }

  @Test("blocks merge in any order to the same attention", arguments: levels, [true, false])
  func mergesInAnyOrder(level: Level, packed: Bool) {
    for dtype in dtypes {
      // The last block is the row's own, causal; some rows see nothing of it or of the one before.
      var blocks = (1...3).map { seed in
        AttentionCase(dtype: dtype, headDim: 64, tokens: 50 * seed, rows: 51, seed: UInt64(seed), queryMagnitude: 6)
      }
      blocks = blocks.map { $0.asked(blocks[0]) }
      blocks[1].limits = mixedLimits(51, 100)
      blocks[2].limits = causalLimits(51).map { $0 - 3 }
      for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let state = attended(order.map { blocks[$0] }, level, packed: packed)
        expectExact(state, blocks, tolerance(level, dtype, packed: packed), "\(dtype) \(order)")
      }
    }
  }

  @Test("a row's bits do not depend on the rows computed with it", arguments: levels, [true, false])
  func rowsAreIndependent(level: Level, packed: Bool) {
    let rows = 101
    for dtype in dtypes {
      for (headDim, tokens) in [(64, 256), (64, 300), (128, 77), (80, 130)] {
        for (limits, window) in [
          (nil, nil), (mixedLimits(rows, tokens), nil), (causalLimits(rows), nil), (slidingLimits(rows, tokens), 90),
        ] as [([Int32]?, Int32?)] {
          var first = AttentionCase(dtype: dtype, headDim: headDim, tokens: tokens, rows: rows, limits: limits)
          first.starts = window.map { window in limits!.map { $0 - window } }
          first.softCap = window == nil ? 0 : 4
          var second = AttentionCase(dtype: dtype, headDim: headDim, tokens: tokens, rows: rows, seed: 2)
          (second.limits, second.starts, second.softCap) = (first.limits, first.starts, first.softCap)
          let whole = attended([first, second], level, packed: packed)
          for sizes in [[1], [2, 31, 5], [16], [17, 3], [33, 15], [100, 1]] {
            let split = atLevel(level) {
              var state = AttentionState(rows: rows, headDim: headDim)
              for block in [first, second] {
                var next = 0
                var turn = 0
                while next < rows {
                  let end = min(rows, next + sizes[turn % sizes.count])
                  block.attend(&state, rows: next..<end, packed: packed)
                  next = end
                  turn += 1
                }
              }
              return state
            }
            #expect(split == whole, "\(dtype) \(headDim) \(tokens) \(sizes)")
          }
        }
      }
    }
  }

  @Test("a row that sees nothing keeps its state, bit for bit", arguments: levels, [true, false])
  func unseenBlocksChangeNothing(level: Level, packed: Bool) {
    for dtype in dtypes {
      let seen = AttentionCase(dtype: dtype, headDim: 64, tokens: 40, rows: 20)
      var unseen = AttentionCase(dtype: dtype, headDim: 64, tokens: 300, rows: 20, seed: 5)
      unseen.limits = (0..<20).map { $0 % 2 == 0 ? -1 : Int32($0) }
      let before = attended([seen], level, packed: packed)
      // Some see nothing because their window lies behind the block, or between its ends.
      unseen.starts = (0..<20).map { $0 % 2 == 0 ? ($0 % 4 == 0 ? 0 : 400) : 0 }
      unseen.limits![2] = 350
      unseen.limits![6] = 30
      unseen.starts![6] = 31
      let after = attended([seen, unseen], level, packed: packed)
      let untouched = attended([unseen], level, packed: packed)
      for row in stride(from: 0, to: 20, by: 2) {
        #expect(after.m[row].bitPattern == before.m[row].bitPattern && after.l[row] == before.l[row])
        #expect(after.output(row: row).bits == before.output(row: row).bits)
        #expect(untouched.m[row] == -.infinity && untouched.l[row] == 0)
        #expect(untouched.o[row * 64..<(row + 1) * 64].allSatisfy { $0 == 0 })
      }
      #expect(after.output(row: 1).bits != before.output(row: 1).bits)
    }
  }

  @Test("logits of 10,000 either way pick their token without overflow", arguments: levels, [true, false])
  func extremeLogits(level: Level, packed: Bool) {
    for dtype in dtypes {
      // Logits so far apart that mostly one token has all the weight, in either block.
      let blocks = [1, 2].map { seed in
        AttentionCase(
          dtype: dtype, headDim: 64, tokens: 257, rows: 33, seed: seed, scale: 512)
      }
      let merged = [blocks[0], blocks[1].asked(blocks[0])]
      let logits = merged[0].logits(row: 0)
      #expect(logits.max()! > 1e4 && logits.min()! < -1e4)
      for order in [merged, merged.reversed()] {
        let state = attended(order, level, packed: packed)
        #expect(state.o.allSatisfy { $0.isFinite } && state.l.allSatisfy { $0.isFinite && $0 > 0 })
        expectExact(state, merged, 2e-2, "\(dtype)")
      }
    }
  }

  @Test("equal logits give the mean of the values", arguments: levels, [true, false])
  func equalLogits(level: Level, packed: Bool) {
    for dtype in dtypes {
      let block = AttentionCase(dtype: dtype, headDim: 64, tokens: 64, rows: 3, queryMagnitude: 0)
      let state = attended([block], level, packed: packed)
      #expect(state.l == [64, 64, 64] && state.m == [0, 0, 0])
      expectExact(state, [block], 1e-6, "\(dtype)")
    }
  }

  @Test("what is not a number is not hidden", arguments: levels, [true, false])
  func keepsNaN(level: Level, packed: Bool) {
    for dtype in dtypes {
      let block = AttentionCase(dtype: dtype, headDim: 64, tokens: 64, rows: 3, queryMagnitude: .nan)
      let state = attended([block], level, packed: packed)
      #expect((0..<3).allSatisfy { row in state.output(row: row).allSatisfy { $0.isNaN } })
    }
  }
}

private func attended(_ blocks: [AttentionCase], _ level: Level, packed: Bool) -> AttentionState {
  atLevel(level) {
    var state = AttentionState(rows: blocks[0].rows, headDim: blocks[0].headDim)
    for block in blocks { block.attend(&state, packed: packed) }
    return state
  }
}

private func expectExact(
  _ state: AttentionState, _ blocks: [AttentionCase], _ tolerance: Double, _ what: String,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  for row in 0..<blocks[0].rows {
    guard let exact = exactAttention(blocks, row: row) else {
      #expect(state.l[row] == 0, "\(what), row \(row)", sourceLocation: sourceLocation)
      continue
    }
    let worst = zip(state.output(row: row), exact).map { (Double($0) - $1).magnitude }.max()!
    #expect(worst <= tolerance, "\(what), row \(row): off by \(worst)", sourceLocation: sourceLocation)
  }
}
