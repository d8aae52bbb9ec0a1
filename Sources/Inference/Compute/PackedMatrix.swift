import CKernels
import COneDNN

/// The weights of a linear layer, laid out once as the products want them: AMX tiles where the machine has them and the
/// numbers are bf16, oneDNN's blocks otherwise. Cut into panels of outputs, so that few rows still occupy every thread.
struct PackedMatrix: Sendable {
  let inputs: Int
  let outputs: Int
  /// Consecutive runs of outputs: what one product computes.
  let panels: [Range<Int>]
  private let type: ComputeType
  private let storage: [Storage]

  private enum Storage: Sendable {
    case tiles(AlignedBuffer)
    case blocks(AlignedBuffer, OneDNNLayout)
  }

  /// oneDNN's description of weights, which is a value.
  private struct OneDNNLayout: @unchecked Sendable {
    let description: dnnl_memory_desc_t
  }

  /// Outputs of a panel at most.
  static let panelOutputs = 256

  /// - Parameters:
  ///   - panelWidths: outputs of each panel; their sum is the matrix's outputs.
  ///   - row: writes the `inputs` f32 weights of one output; called from several threads.
  /// - Throws: what `row` throws, `ComputeError`.
  init(
    inputs: Int, panelWidths: [Int], compute: Compute,
    row: @Sendable (_ output: Int, _ into: UnsafeMutablePointer<Float>) throws -> Void
  ) throws {
    self.inputs = inputs
    type = compute.type
    var panels: [Range<Int>] = []
    for width in panelWidths { panels.append((panels.last?.upperBound ?? 0)..<(panels.last?.upperBound ?? 0) + width) }
    self.panels = panels
    outputs = panels.last?.upperBound ?? 0
    let step = Int(CK_MATMUL_STEP)
    let tiled = compute.usesTiles && inputs % step == 0 && panelWidths.allSatisfy { $0 % step == 0 }
    let type = self.type
    let packed = PanelSlots(count: panels.count)
    try compute.pool.run(panels.count) { index, thread in
      let panel = panels[index]
      let rows = AlignedBuffer(floats: panel.count * inputs)
      for (i, output) in panel.enumerated() { try row(output, rows.floats + i * inputs) }
      packed.slots[index] =
        tiled
        ? Self.packTiles(rows, inputs: inputs, outputs: panel.count)
        : try Self.packBlocks(rows, inputs: inputs, outputs: panel.count, type: type, on: compute.threads[thread])
    }
    storage = packed.slots.map { $0! }
  }

  /// One place per panel, each written by the one thread that packs it.
  private final class PanelSlots: @unchecked Sendable {
    let slots: UnsafeMutableBufferPointer<Storage?>
    init(count: Int) {
      slots = .allocate(capacity: count)
      slots.initialize(repeating: nil)
    }
    deinit {
      slots.deinitialize()
      slots.deallocate()
    }
  }

  /// Panels of at most `panelOutputs` outputs, all but the last of one width, each a whole number of `unit`s, which is
  /// at most that.
  static func evenPanels(outputs: Int, unit: Int = 1) -> [Int] {
    let most = panelOutputs / unit
    let step = Int(CK_MATMUL_STEP)
    let units = (1...most).last { $0 * unit % step == 0 } ?? most
    return stride(from: 0, to: outputs, by: units * unit).map { min(units * unit, outputs - $0) }
  }

  /// target[r][n - panel.lowerBound] for the outputs n of one panel. Rows lie close together in both: oneDNN has fast
  /// products for nothing else.
  ///
  /// `rows` is at most `Compute.maxRows`, and both buffers have that many rows: up to so many are read and written.
  func multiply(
    panel index: Int, rows: Int, source: UnsafeRawPointer, target: UnsafeMutablePointer<Float>, compute: Compute,
    thread: Int
  ) throws {
    precondition(rows > 0 && rows <= Compute.maxRows, "a product of \(rows) rows")
    let outputs = panels[index].count
    switch storage[index] {
    case .tiles(let tiles):
      ck_matmul(
        source.assumingMemoryBound(to: UInt16.self), inputs, tiles.base, inputs, outputs, target, outputs, rows)
    case .blocks(let blocks, let layout):
      let shape = ProductShape(
        rows: Compute.rowSizes.first { $0 >= rows }!, inputs: inputs, outputs: outputs, type: type)
      try compute.product(shape, weights: layout.description)
        .execute(source: source, weights: blocks.base, target: target, on: compute.threads[thread])
    }
  }

  private static func packTiles(_ rows: AlignedBuffer, inputs: Int, outputs: Int) -> Storage {
    let tiles = AlignedBuffer(byteCount: inputs * outputs * ComputeType.bf16.sizeBytes)
    ck_matmul_pack(rows.floats, inputs, outputs, tiles.base)
    return .tiles(tiles)
  }

  private static func packBlocks(
    _ rows: AlignedBuffer, inputs: Int, outputs: Int, type: ComputeType, on thread: ThreadContext
  ) throws(ComputeError) -> Storage {
    let shape = ProductShape(rows: Compute.maxRows, inputs: inputs, outputs: outputs, type: type)
    let layout = try ProductPrimitive(shape, weights: nil).weights
    let plain = AlignedBuffer(byteCount: inputs * outputs * type.sizeBytes)
    type.convert(rows.floats, to: plain.base, count: inputs * outputs)
    let blocks = AlignedBuffer(byteCount: withUnsafePointer(to: layout) { dnnl_memory_desc_get_size($0) })
    try reorder(plain, inputs: inputs, outputs: outputs, type: type, into: blocks, layout: layout, on: thread)
    return .blocks(blocks, OneDNNLayout(description: layout))
  }

  private static func reorder(
    _ plain: AlignedBuffer, inputs: Int, outputs: Int, type: ComputeType, into blocks: AlignedBuffer,
    layout: dnnl_memory_desc_t, on thread: ThreadContext
  ) throws(ComputeError) {
    let engine = try OneDNN.shared().engine
    var (from, to) = (dnnl_memory_desc_t(), layout)
    let dimensions = [Int64(inputs), Int64(outputs)]
    try OneDNN.check(
      dnnl_memory_desc_init_by_strides(&from, 2, dimensions, type.oneDNNType, [1, Int64(inputs)]), "describe weights")
    var plan: dnnl_primitive_desc_t?
    try OneDNN.check(dnnl_reorder_primitive_desc_create(&plan, &from, engine, &to, engine, nil), "plan a reorder")
    defer { dnnl_primitive_desc_destroy(plan) }
    var primitive: dnnl_primitive_t?
    try OneDNN.check(dnnl_primitive_create(&primitive, plan), "plan a reorder")
    defer { dnnl_primitive_destroy(primitive) }
    let source = try ProductPrimitive.memory(from, plain.base)
    defer { dnnl_memory_destroy(source) }
    let target = try ProductPrimitive.memory(to, blocks.base)
    defer { dnnl_memory_destroy(target) }
    let arguments = [
      dnnl_exec_arg_t(arg: DNNL_ARG_FROM, memory: source), dnnl_exec_arg_t(arg: DNNL_ARG_TO, memory: target),
    ]
    try OneDNN.check(dnnl_primitive_execute(primitive, thread.stream, 2, arguments), "lay out weights")
    try OneDNN.check(dnnl_stream_wait(thread.stream), "lay out weights")
  }
}
