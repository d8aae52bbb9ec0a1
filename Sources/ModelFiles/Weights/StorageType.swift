/// How the numbers of a tensor lie in the file. Quantised types pack a row in blocks of `elementsPerBlock`.
public enum StorageType: String, Sendable, Hashable, CaseIterable {
  case f32 = "F32"
  case f16 = "F16"
  case bf16 = "BF16"
  case q80 = "Q8_0"
  case q40 = "Q4_0"
  case q41 = "Q4_1"
  case q4K = "Q4_K"
  case q6K = "Q6_K"

  public var elementsPerBlock: Int {
    switch self {
    case .f32, .f16, .bf16: 1
    case .q80, .q40, .q41: 32
    case .q4K, .q6K: 256
    }
  }

  /// Bytes of one block, from ggml's struct definitions.
  public var bytesPerBlock: Int {
    switch self {
    case .f32: 4
    case .f16, .bf16: 2
    case .q80: 2 + 32
    case .q40: 2 + 16
    case .q41: 2 + 2 + 16
    case .q4K: 2 + 2 + 12 + 128
    case .q6K: 128 + 64 + 16 + 2
    }
  }

  /// Bytes of a row of `columns` elements; nil where a row is not a whole number of blocks or the size overflows.
  public func rowBytes(columns: Int) -> Int? {
    guard columns >= 0, columns % elementsPerBlock == 0 else { return nil }
    let (bytes, overflow) = (columns / elementsPerBlock).multipliedReportingOverflow(by: bytesPerBlock)
    return overflow ? nil : bytes
  }
}

extension StorageType {
  /// Bytes of a tensor of `shape`, outermost dimension first; nil where that is no whole number of blocks or overflows.
  func totalBytes(shape: [Int]) -> Int? {
    guard let columns = shape.last, var total = rowBytes(columns: columns) else { return nil }
    for dimension in shape.dropLast() {
      let (product, overflow) = total.multipliedReportingOverflow(by: dimension)
      guard !overflow, dimension >= 0 else { return nil }
      total = product
    }
    return total
  }
}
