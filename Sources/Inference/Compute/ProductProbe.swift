/// A linear layer of made-up numbers, to measure how fast products are here: cut into panels and computed as the worker's
/// are, on one thread.
public final class ProductProbe {
  private let matrix: PackedMatrix
  private let compute: Compute
  private let source: AlignedBuffer
  private let target: AlignedBuffer

  /// Rows of a product at most.
  public static let maxRows = Compute.maxRows

  /// - Throws: `ComputeError`.
  public init(inputs: Int, outputs: Int, compute: Compute) throws {
    self.compute = compute
    matrix = try PackedMatrix(
      inputs: inputs, panelWidths: MatrixLayout.evenPanels(outputs: outputs), compute: compute
    ) { output, row in
      for k in 0..<inputs { row[k] = Float((output * 31 + k * 17) % 15 - 7) / 8 }
    }
    source = AlignedBuffer(byteCount: Self.maxRows * inputs * compute.type.sizeBytes)
    target = AlignedBuffer(floats: Self.maxRows * MatrixLayout.panelOutputs)
  }

  /// Operations of one product of so many rows.
  public func operations(rows: Int) -> Double { 2 * Double(rows) * Double(matrix.inputs) * Double(matrix.outputs) }

  /// Multiplies `rows` rows, `maxRows` at most.
  public func run(rows: Int) throws {
    for panel in matrix.panels.indices {
      try matrix.multiply(
        panel: panel, rows: rows, source: source.base, target: target.floats, compute: compute, thread: 0)
    }
  }
}
