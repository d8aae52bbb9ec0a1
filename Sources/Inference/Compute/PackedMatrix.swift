/// A linear layer's weights where they lie: in memory of the worker, or in a slot of the store while it is leased.
struct PackedMatrix: @unchecked Sendable {
  // Sendable: the bytes are only read, and `owner` keeps them.
  let layout: MatrixLayout
  /// By panel.
  private let addresses: [UnsafeRawPointer]
  private let owner: AnyObject?
  /// The same matrix in the file, where single rows are multiplied from there.
  var fileRows: FileRows?

  /// - Parameters:
  ///   - addresses: of each panel, as `layout` packed it; valid as long as `owner`, or as long as the caller says.
  init(layout: MatrixLayout, addresses: [UnsafeRawPointer], owner: AnyObject?) {
    self.layout = layout
    self.addresses = addresses
    self.owner = owner
  }

  /// Packs a matrix into memory of its own.
  /// - Parameter row: writes the `inputs` f32 weights of one output; called from several threads.
  init(
    inputs: Int, panelWidths: [Int], compute: Compute,
    row: @Sendable (_ output: Int, _ into: UnsafeMutablePointer<Float>) throws -> Void
  ) throws {
    let layout = try MatrixLayout(inputs: inputs, panelWidths: panelWidths, compute: compute)
    let shard = try ShardLayout([layout], limitBytes: Int.max)
    let parts = ShardMemory(shard)
    try shard.fill(parts.bases, compute: compute) { _, output, target in try row(output, target) }
    self = shard.matrices(parts.bases.map { UnsafeRawPointer($0) }, owner: parts)[0]
  }

  var inputs: Int { layout.inputs }
  var outputs: Int { layout.outputs }
  var panels: [Range<Int>] { layout.panels }

  /// As `MatrixLayout.multiply`.
  /// - Parameter isDecoding: one row, which is multiplied from the file if the matrix is there. Rows that are read never
  ///   are: their bits must not depend on how many are computed together.
  func multiply(
    panel index: Int, rows: Int, source: UnsafeRawPointer, target: UnsafeMutablePointer<Float>, compute: Compute,
    thread: Int, isDecoding: Bool = false
  ) throws {
    if isDecoding, let fileRows {
      precondition(rows == 1, "one token is decoded at a time")
      return withUnsafeTemporaryAllocation(of: Float.self, capacity: inputs) { x in
        compute.type.widen(source, to: x.baseAddress!, count: inputs)
        fileRows.multiply(panels[index], x.baseAddress!, into: target)
      }
    }
    try layout.multiply(
      panel: index, weights: addresses[index], rows: rows, source: source, target: target, compute: compute,
      thread: thread)
  }
}
