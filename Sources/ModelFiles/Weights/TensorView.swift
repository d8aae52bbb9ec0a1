/// A tensor where it lies in a mapped file. Copies share the mapping and keep it alive.
///
/// The file must not be truncated by others while it is mapped: reading past its new end is a SIGBUS, as with any map.
public struct TensorView: Sendable {
  /// The canonical (Hugging Face) name, e.g. `model.layers.0.self_attn.q_proj.weight`.
  public let name: String
  /// What the file calls it, for messages.
  public let fileName: String
  /// Outermost dimension first: a projection is [output, input].
  public let shape: [Int]
  public let type: StorageType
  /// All bytes, row after row in *file* order, at no promised alignment. Valid while this view, or its source, lives:
  /// prefer `withBytes` and `withRow`.
  public let unsafeBytes: MappedBytes
  /// Where row r of the canonical tensor lies in the file.
  public let rowOrder: RowOrder

  /// Elements of a row: the innermost dimension.
  public var columns: Int { shape.last ?? 1 }
  /// Product of all dimensions but the innermost.
  public var rows: Int { shape.dropLast().reduce(1, *) }
  public var elements: Int { rows * columns }
  public let rowBytes: Int

  /// The caller has checked that `unsafeBytes` holds exactly `shape` in `type`.
  init(
    name: String, fileName: String? = nil, shape: [Int], type: StorageType, unsafeBytes: MappedBytes, rowOrder: RowOrder
  ) {
    self.name = name
    self.fileName = fileName ?? name
    self.shape = shape
    self.type = type
    self.unsafeBytes = unsafeBytes
    self.rowOrder = rowOrder
    rowBytes = type.rowBytes(columns: shape.last ?? 1) ?? 0
    // Columns are those of a larger tensor, whose reader has checked its shape.
    if case .columns = rowOrder { return }
    precondition(rowBytes * rows == unsafeBytes.count, "\(name): \(shape) in \(unsafeBytes.count) bytes")
  }

  /// Every byte in file order; rows are canonical only where `rowOrder` is `.canonical`.
  public func withBytes<R, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R {
    defer { withExtendedLifetime(unsafeBytes) {} }
    return try body(unsafeBytes.buffer)
  }

  /// The `rowBytes` bytes of canonical row `row`, un-permuted or gathered where the file has them in another order. Traps outside `0 ..< rows`.
  public func withRow<R, E: Error>(_ row: Int, _ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R {
    precondition(row >= 0 && row < rows, "row \(row) of \(name), which has \(rows)")
    defer { withExtendedLifetime(unsafeBytes) {} }
    if case .columns(let count, let first) = rowOrder { return try withColumn(row, of: count, first: first, body) }
    let start = rowOrder.fileRow(row) * rowBytes
    return try body(UnsafeRawBufferPointer(rebasing: unsafeBytes.buffer[start..<start + rowBytes]))
  }

  /// A row that is a column of the file: its elements gathered.
  private func withColumn<R, E: Error>(
    _ row: Int, of count: Int, first: Int, _ body: (UnsafeRawBufferPointer) throws(E) -> R
  ) throws(E) -> R {
    let (matrix, output) = row.quotientAndRemainder(dividingBy: shape[shape.count - 2])
    let bytes = type.bytesPerBlock
    let gathered = UnsafeMutableRawBufferPointer.allocate(byteCount: columns * bytes, alignment: 16)
    defer { gathered.deallocate() }
    for input in 0..<columns {
      let source = ((matrix * columns + input) * count + first + output) * bytes
      UnsafeMutableRawBufferPointer(rebasing: gathered[input * bytes..<(input + 1) * bytes])
        .copyMemory(from: UnsafeRawBufferPointer(rebasing: unsafeBytes.buffer[source..<source + bytes]))
    }
    return try body(UnsafeRawBufferPointer(gathered))
  }
}

/// How a file orders the rows of a matrix.
public enum RowOrder: Sendable, Hashable {
  case canonical
  /// Rows are columns `first` and after of matrices that the file holds the other way round, `count` columns wide. Only
  /// for types of one element a block.
  case columns(count: Int, first: Int)
  /// GGUF's Llama, Llama 4: within a head of `headDim` rows, the two halves that rotate together are interleaved. Canonical
  /// order is rotate-half: row i turns with row i + headDim / 2.
  case interleaved(headDim: Int)

  /// The file's row that holds canonical row `row`.
  public func fileRow(_ row: Int) -> Int {
    switch self {
    case .canonical, .columns:
      return row
    case .interleaved(let headDim):
      let (head, within) = row.quotientAndRemainder(dividingBy: headDim)
      let (half, pair) = within.quotientAndRemainder(dividingBy: headDim / 2)
      return head * headDim + 2 * pair + half
    }
  }
}
