import CKernels
import COneDNN

/// How the weights of a linear layer lie for its products: AMX tiles where the machine has them and the numbers are bf16,
/// oneDNN's blocks otherwise. Cut into panels of outputs, so that few rows still occupy every thread.
struct MatrixLayout: Sendable {
  let inputs: Int
  let outputs: Int
  /// Consecutive runs of outputs: what one product computes.
  let panels: [Range<Int>]
  /// Bytes of each panel.
  let byteCounts: [Int]
  let type: ComputeType
  private let forms: [Form]

  private enum Form: Sendable {
    case tiles
    case blocks(OneDNNLayout)
  }

  /// Outputs of a panel at most.
  static let panelOutputs = 256

  /// - Parameter panelWidths: outputs of each panel; their sum is the matrix's outputs.
  init(inputs: Int, panelWidths: [Int], compute: Compute) throws(ComputeError) {
    self.inputs = inputs
    type = compute.type
    var panels: [Range<Int>] = []
    for width in panelWidths { panels.append((panels.last?.upperBound ?? 0)..<(panels.last?.upperBound ?? 0) + width) }
    self.panels = panels
    outputs = panels.last?.upperBound ?? 0
    let step = Int(CK_MATMUL_STEP)
    let tiled = compute.usesTiles && inputs % step == 0 && panelWidths.allSatisfy { $0 % step == 0 }
    var forms: [Form] = []
    var byteCounts: [Int] = []
    for panel in panels {
      if tiled {
        forms.append(.tiles)
        byteCounts.append(inputs * panel.count * ComputeType.bf16.sizeBytes)
      } else {
        let shape = ProductShape(rows: Compute.maxRows, inputs: inputs, outputs: panel.count, type: type)
        let layout = try compute.blockLayout(shape)
        forms.append(.blocks(OneDNNLayout(description: layout)))
        byteCounts.append(withUnsafePointer(to: layout) { dnnl_memory_desc_get_size($0) })
      }
    }
    self.forms = forms
    self.byteCounts = byteCounts
  }

  /// Panels of at most `panelOutputs` outputs, all but the last of one width, each a whole number of `unit`s, which is
  /// at most that.
  static func evenPanels(outputs: Int, unit: Int = 1) -> [Int] {
    let most = panelOutputs / unit
    let step = Int(CK_MATMUL_STEP)
    let units = (1...most).last { $0 * unit % step == 0 } ?? most
    return stride(from: 0, to: outputs, by: units * unit).map { min(units * unit, outputs - $0) }
  }

  /// What the bytes depend on besides the weights: packings that differ are different bytes.
  var packing: String {
    forms.map { form in
      switch form {
      case .tiles: "tiles"
      case .blocks(let layout): withUnsafeBytes(of: layout.description) { Self.digest($0) }
      }
    }.joined(separator: ",")
  }

  private static func digest(_ bytes: UnsafeRawBufferPointer) -> String {
    // FNV-1a (Fowler, Noll, Vo): tells descriptions of one library apart.
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return String(hash, radix: 16)
  }

  /// Writes a panel's weights.
  /// - Parameters:
  ///   - row: writes the `inputs` f32 weights of one output.
  ///   - base: `byteCounts[panel]` bytes, aligned to 64.
  func pack(
    panel index: Int, into base: UnsafeMutableRawPointer, on thread: ThreadContext,
    row: (_ output: Int, _ into: UnsafeMutablePointer<Float>) throws -> Void
  ) throws {
    let panel = panels[index]
    let rows = AlignedBuffer(floats: panel.count * inputs)
    for (i, output) in panel.enumerated() { try row(output, rows.floats + i * inputs) }
    switch forms[index] {
    case .tiles: ck_matmul_pack(rows.floats, inputs, panel.count, base)
    case .blocks(let layout):
      let plain = AlignedBuffer(byteCount: inputs * panel.count * type.sizeBytes)
      type.convert(rows.floats, to: plain.base, count: inputs * panel.count)
      try WeightReorder.run(
        plain, inputs: inputs, outputs: panel.count, type: type, into: base, layout: layout.description, on: thread)
    }
  }

  /// target[r][n - panel.lowerBound] for the outputs n of one panel. Rows lie close together in both: oneDNN has fast
  /// products for nothing else.
  ///
  /// `rows` is at most `Compute.maxRows`, and both buffers have that many rows: up to so many are read and written.
  func multiply(
    panel index: Int, weights: UnsafeRawPointer, rows: Int, source: UnsafeRawPointer,
    target: UnsafeMutablePointer<Float>, compute: Compute, thread: Int
  ) throws {
    precondition(rows > 0 && rows <= Compute.maxRows, "a product of \(rows) rows")
    let outputs = panels[index].count
    switch forms[index] {
    case .tiles:
      ck_matmul(source.assumingMemoryBound(to: UInt16.self), inputs, weights, inputs, outputs, target, outputs, rows)
    case .blocks(let layout):
      let shape = ProductShape(
        rows: Compute.rowSizes.first { $0 >= rows }!, inputs: inputs, outputs: outputs, type: type)
      try compute.product(shape, weights: layout.description)
        .execute(source: source, weights: weights, target: target, on: compute.threads[thread])
    }
  }
}
