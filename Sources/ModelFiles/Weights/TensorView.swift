/// A tensor where it lies in a mapped file. Copies share the mapping and keep it alive.
///
/// The file must not be truncated by others while it is mapped: reading past its new end is a SIGBUS, as with any map.
public struct TensorView: Sendable {
  /// The canonical (Hugging Face) name, e.g. `model.layers.0.self_attn.q_proj.weight`.
  public let name: String
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
  init(name: String, shape: [Int], type: StorageType, unsafeBytes: MappedBytes, rowOrder: RowOrder) {
    self.name = name
    self.shape = shape
    self.type = type
    self.unsafeBytes = unsafeBytes
    self.rowOrder = rowOrder
    rowBytes = type.rowBytes(columns: shape.last ?? 1) ?? 0
    precondition(rowBytes * rows == unsafeBytes.count, "\(name): \(shape) in \(unsafeBytes.count) bytes")
  }

  /// Every byte in file order; rows are canonical only where `rowOrder` is `.canonical`.
  public func withBytes<R, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R {
    defer { withExtendedLifetime(unsafeBytes) {} }
    return try body(unsafeBytes.buffer)
  }

  /// The `rowBytes` bytes of canonical row `row`, un-permuted where the file permutes. Traps outside `0 ..< rows`.
  public func withRow<R, E: Error>(_ row: Int, _ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R {
    precondition(row >= 0 && row < rows, "row \(row) of \(name), which has \(rows)")
    defer { withExtendedLifetime(unsafeBytes) {} }
    let start = rowOrder.fileRow(row) * rowBytes
    return try body(UnsafeRawBufferPointer(rebasing: unsafeBytes.buffer[start..<start + rowBytes]))
  }
}

/// How a file orders the rows of q and k projections.
public enum RowOrder: Sendable, Hashable {
  case canonical
  /// GGUF's Llama: within a head of `headDim` rows, the two halves that rotate together are interleaved. Canonical
  /// order is rotate-half: row i turns with row i + headDim / 2.
  case interleaved(headDim: Int)

  /// The file's row that holds canonical row `row`.
  public func fileRow(_ row: Int) -> Int {
    switch self {
    case .canonical:
      return row
    case .interleaved(let headDim):
      let (head, within) = row.quotientAndRemainder(dividingBy: headDim)
      let (half, pair) = within.quotientAndRemainder(dividingBy: headDim / 2)
      return head * headDim + 2 * pair + half
    }
  }
}
