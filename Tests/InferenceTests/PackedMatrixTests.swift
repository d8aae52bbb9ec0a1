import Testing

@testable import Inference

/// Products: AMX tiles and oneDNN, f32 and bf16.
@Suite struct PackedMatrixTests {
  enum Path: String, CaseIterable {
    case f32
    case bf16
    case tiles

    func compute() throws -> Compute {
      try Compute(type: self == .f32 ? .f32 : .bf16, threadCount: 2, allowsTiles: self == .tiles)
    }
  }

  /// Whole numbers so small that bf16 holds them and every sum is exact in f32.
  private static func number(_ i: Int, _ j: Int) -> Float { Float((i * 31 + j * 17 + i * j) % 15 - 7) }

  private static func matrix(_ inputs: Int, _ outputs: Int, _ compute: Compute) throws -> PackedMatrix {
    let widths = MatrixLayout.evenPanels(outputs: outputs)
    return try PackedMatrix(inputs: inputs, panelWidths: widths, compute: compute) { output, row in
      for k in 0..<inputs { row[k] = number(output, k) }
    }
  }

  @Test("Exact on small whole numbers", arguments: Path.allCases, [(32, 32), (64, 96), (576, 960), (96, 288)])
  func exact(path: Path, shape: (inputs: Int, outputs: Int)) throws {
    let (inputs, outputs) = shape
    let compute = try path.compute()
    let matrix = try Self.matrix(inputs, outputs, compute)
    let rows = 37
    let source = Self.source(inputs, compute.type) { Self.number($0 + 5, $1) }
    let result = try Self.multiply(matrix, source, rows: rows, compute)
    for r in stride(from: 0, to: rows, by: 3) {
      for n in 0..<outputs {
        let expected = (0..<inputs).reduce(Float(0)) { $0 + Self.number(r + 5, $1) * Self.number(n, $1) }
        #expect(result[r][n] == expected, "row \(r), output \(n)")
      }
    }
  }

  @Test(
    "A row's bits do not depend on the rows beside it", arguments: Path.allCases,
    [(576, 960), (576, 576), (576, 3072), (1536, 576), (32, 64)])
  func rowsAreIndependent(path: Path, shape: (inputs: Int, outputs: Int)) throws {
    let (inputs, outputs) = shape
    let compute = try path.compute()
    var random = SeededGenerator(seed: 3)
    let matrix = try PackedMatrix(
      inputs: inputs, panelWidths: MatrixLayout.evenPanels(outputs: outputs), compute: compute
    ) { output, row in
      var random = SeededGenerator(seed: UInt64(output))
      for k in 0..<inputs { row[k] = Float.random(in: -1...1, using: &random) }
    }
    let values = (0..<Compute.maxRows * inputs).map { _ in Float.random(in: -1...1, using: &random) }
    let source = Self.source(inputs, compute.type) { values[$0 * inputs + $1] }
    let whole = try Self.multiply(matrix, source, rows: Compute.maxRows, compute)
    for rows in [1, 2, 3, 16, 17, 31, 32, 33, 64, 100, 128, 200] {
      let some = try Self.multiply(matrix, source, rows: rows, compute)
      #expect(some == Array(whole.prefix(rows)), "\(rows) rows")
    }
  }

  @Test("Products are planned for a few row counts, whatever the rows asked for")
  func bounded() throws {
    let compute = try Path.f32.compute()
    let matrix = try Self.matrix(64, 320, compute)
    let source = Self.source(64, .f32) { Self.number($0, $1) }
    for rows in 1...Compute.maxRows { _ = try Self.multiply(matrix, source, rows: rows, compute) }
    #expect(compute.plannedProducts <= 2 * Compute.rowSizes.count)
  }

  @Test("oneDNN's reference code is never chosen", arguments: [ComputeType.f32, .bf16])
  func fast(type: ComputeType) throws {
    for rows in Compute.rowSizes {
      let shape = ProductShape(rows: rows, inputs: 576, outputs: 256, type: type)
      let layout = try ProductPrimitive(shape, weights: nil).weights
      #expect(!(try ProductPrimitive(shape, weights: layout)).implementation.hasPrefix("ref"))
    }
  }

  @Test(
    "Panels hold whole units and cover everything", arguments: [(960, 64), (4096, 128), (720, 80), (128, 16), (96, 1)])
  func panels(outputs: Int, unit: Int) {
    let widths = MatrixLayout.evenPanels(outputs: outputs, unit: unit)
    #expect(widths.reduce(0, +) == outputs)
    #expect(widths.allSatisfy { $0 % unit == 0 && $0 <= MatrixLayout.panelOutputs })
  }

  private static func source(_ inputs: Int, _ type: ComputeType, _ value: (Int, Int) -> Float) -> AlignedBuffer {
    let buffer = AlignedBuffer(byteCount: Compute.maxRows * inputs * type.sizeBytes)
    for r in 0..<Compute.maxRows {
      let row = (0..<inputs).map { value(r, $0) }
      type.convert(row, to: buffer.base + r * inputs * type.sizeBytes, count: inputs)
    }
    return buffer
  }

  private static func multiply(
    _ matrix: PackedMatrix, _ source: AlignedBuffer, rows: Int, _ compute: Compute
  ) throws -> [[Float]] {
    let panel = AlignedBuffer(floats: Compute.maxRows * MatrixLayout.panelOutputs)
    var result = Array(repeating: [Float](), count: rows)
    for (index, outputs) in matrix.panels.enumerated() {
      try matrix.multiply(
        panel: index, rows: rows, source: source.base, target: panel.floats, compute: compute, thread: 0)
      for r in 0..<rows {
        result[r] += UnsafeBufferPointer(start: panel.floats + r * outputs.count, count: outputs.count)
      }
    }
    return result
  }
}
