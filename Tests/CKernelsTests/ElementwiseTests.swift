import CKernels
import Glibc
import Testing

private let lengths = [1, 2, 15, 16, 17, 63, 64, 255, 256, 257, 576, 1536]

@Suite struct ElementwiseTests {
  @Test("rms norm is within 2e-6 of exact", arguments: levels)
  func rmsNorm(level: Level) {
    var generator = SeededGenerator(11)
    for n in lengths {
      let x = generator.floats(3 * n)
      let weight = generator.floats(n)
      let output = atLevel(level) { write(3 * n) { ck_rms_norm(x, weight, 1e-5, $0, CK_F32, 3, n) } }
      for row in 0..<3 {
        let values = x[row * n..<(row + 1) * n].map(Double.init)
        let inverse = 1 / (values.reduce(0) { $0 + $1 * $1 } / Double(n) + 1e-5).squareRoot()
        for i in 0..<n { #expect(near(output[row * n + i], values[i] * inverse * Double(weight[i]), 2e-6)) }
      }
    }
  }

  @Test("rope turns pairs half a head apart", arguments: levels)
  func rope(level: Level) {
    var generator = SeededGenerator(12)
    for (headDim, heads) in [(2, 1), (64, 3), (80, 2), (128, 1), (34, 5)] {
      let rows = 3
      let half = headDim / 2
      let x = generator.floats(rows * heads * headDim)
      let angles = generator.floats(rows * half, in: 0...6)
      let cosines = angles.map { cosine($0) }
      let sines = angles.map { cosine($0 - .pi / 2) }
      var turned = x
      atLevel(level) { ck_rope(&turned, cosines, sines, rows, heads, headDim) }
      for row in 0..<rows {
        for head in 0..<heads {
          let at = (row * heads + head) * headDim
          for i in 0..<half {
            let a = Double(x[at + i])
            let b = Double(x[at + half + i])
            let c = Double(cosines[row * half + i])
            let s = Double(sines[row * half + i])
            #expect(near(turned[at + i], a * c - b * s, 1e-6))
            #expect(near(turned[at + half + i], b * c + a * s, 1e-6))
          }
        }
      }
    }
  }

  @Test("tanh, soft-capped, is within 1e-6 of exact, from -100 to 100", arguments: levels)
  func softCap(level: Level) {
    var generator = SeededGenerator(17)
    for n in lengths {
      for (cap, range) in [(1, -100...100), (1, -0.1...0.1), (30, -100...100), (0.5, -2...2)]
        as [(Float, ClosedRange<Float>)]
      {
        let x = generator.floats(n, in: range) + [0, -0.0, .infinity, -.infinity, 1e-20]
        var output = x
        atLevel(level) { ck_soft_cap(&output, cap, x.count) }
        for (input, found) in zip(x, output) {
          let exact = Double(cap) * tanh(Double(input) / Double(cap))
          #expect(abs(Double(found) - exact) <= 1e-6 * abs(exact), "\(input) under \(cap)")
        }
      }
      var nan: [Float] = [.nan]
      atLevel(level) { ck_soft_cap(&nan, 1, 1) }
      #expect(nan[0].isNaN)
    }
  }

  @Test("gelu by tanh is within 1e-6 of exact, over strided rows", arguments: levels)
  func geluTanhMul(level: Level) {
    var generator = SeededGenerator(18)
    for n in lengths {
      let stride = n + 5
      let gate = generator.floats(2 * stride, in: n % 2 == 0 ? -12...12 : -1...1)
      let up = generator.floats(2 * stride)
      let output = atLevel(level) { write(2 * n) { ck_gelu_tanh_mul(gate, up, stride, $0, CK_F32, 2, n) } }
      for row in 0..<2 {
        for i in 0..<n {
          let x = Double(gate[row * stride + i])
          let inner = (2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)
          let exact = 0.5 * x * (1 + tanh(inner)) * Double(up[row * stride + i])
          // Where tanh is nearly -1 little of the sum is left: that much of x, at most.
          #expect(abs(Double(output[row * n + i]) - exact) <= 1e-6 * max(abs(exact), abs(x) / 4))
        }
      }
    }
  }

  @Test("scaling multiplies", arguments: levels)
  func scale(level: Level) {
    var generator = SeededGenerator(19)
    for n in lengths {
      let x = generator.floats(n)
      var output = x + [7]
      atLevel(level) { ck_scale(&output, 1.5, n) }
      #expect(output.bits == (x.map { $0 * 1.5 } + [7]).bits)
    }
  }

  @Test("silu is within 5e-7 of exact, from -100 to 100, over strided rows", arguments: levels)
  func siluMul(level: Level) {
    var generator = SeededGenerator(13)
    for n in lengths {
      let stride = n + 5
      let gate = generator.floats(2 * stride, in: n % 2 == 0 ? -100...100 : -4...4)
      let up = generator.floats(2 * stride)
      let output = atLevel(level) { write(2 * n) { ck_silu_mul(gate, up, stride, $0, CK_F32, 2, n) } }
      for row in 0..<2 {
        for i in 0..<n {
          let x = Double(gate[row * stride + i])
          #expect(near(output[row * n + i], x / (1 + exponential(-x)) * Double(up[row * stride + i]), 5e-7))
        }
      }
    }
  }

  @Test("silu of what is not a number is not a number", arguments: levels)
  func siluKeepsNaN(level: Level) {
    let gate = [Float](repeating: .nan, count: 17)
    let up = [Float](repeating: 1, count: 17)
    let output = atLevel(level) { write(17) { ck_silu_mul(gate, up, 17, $0, CK_F32, 1, 17) } }
    #expect(output.allSatisfy { $0.isNaN })
  }

  @Test("add adds", arguments: levels)
  func add(level: Level) {
    var generator = SeededGenerator(14)
    for n in [0] + lengths {
      let x = generator.floats(n)
      let y = generator.floats(n)
      var sum = x + [12345]
      atLevel(level) { ck_add(&sum, y, n) }
      #expect(sum == zip(x, y).map { $0 + $1 } + [12345])
    }
  }

  @Test("finish divides each row by its sum", arguments: levels)
  func finish(level: Level) {
    var generator = SeededGenerator(15)
    for headDim in [2, 64, 80, 256] {
      let o = generator.floats(3 * headDim)
      let l = generator.floats(3, in: 1...9)
      let stride = headDim + 7
      let output = atLevel(level) { write(3 * stride) { ck_attend_finish(o, l, 3, headDim, $0, CK_F32, stride) } }
      for row in 0..<3 {
        for d in 0..<stride {
          let expected = d < headDim ? o[row * headDim + d] / l[row] : untouched
          #expect(output[row * stride + d] == expected)
        }
      }
    }
  }

  @Test("16-bit results are the f32 results, rounded", arguments: levels)
  func narrowResults(level: Level) {
    var generator = SeededGenerator(16)
    let x = generator.floats(2 * 301)
    let weight = generator.floats(301)
    atLevel(level) {
      let exact = write(2 * 301) { ck_rms_norm(x, weight, 1e-5, $0, CK_F32, 2, 301) }
      for (dtype, convert) in [(CK_BF16, ck_f32_to_bf16), (CK_F16, ck_f32_to_f16)] {
        var rounded = [UInt16](repeating: 0, count: exact.count)
        var output = rounded
        convert(exact, &rounded, exact.count)
        ck_rms_norm(x, weight, 1e-5, &output, dtype, 2, 301)
        #expect(output == rounded)
      }
    }
  }

  @Test("every level gives the scalar bits", arguments: levels)
  func sameBits(level: Level) {
    var generator = SeededGenerator(17)
    let n = 1013
    let x = generator.floats(n, in: -20...20)
    let y = generator.floats(n)
    func capped(_ x: [Float]) -> [Float] {
      var x = x
      ck_soft_cap(&x, 5, x.count)
      return x
    }
    func results(_ level: Level) -> [[UInt32]] {
      atLevel(level) {
        [
          write(n) { ck_rms_norm(x, y, 1e-6, $0, CK_F32, 1, n) }.bits,
          write(n) { ck_silu_mul(x, y, n, $0, CK_F32, 1, n) }.bits,
          write(n) { ck_gelu_tanh_mul(x, y, n, $0, CK_F32, 1, n) }.bits,
          capped(x).bits,
        ]
      }
    }
    #expect(results(level) == results(.scalar))
  }
}

private let untouched: Float = 12345

private func write(_ count: Int, _ body: (UnsafeMutablePointer<Float>) -> Void) -> [Float] {
  var output = [Float](repeating: untouched, count: count + 1)
  body(&output)
  #expect(output.popLast() == untouched)
  return output
}
