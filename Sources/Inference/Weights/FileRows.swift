import ModelFiles

/// A matrix as the model's file has it, quantised: a token that is decoded reads it there, a third of the bytes that packed
/// weights have. Its outputs are numbered as the packed matrix numbers them.
struct FileRows: Sendable {
  private let order: Order

  private enum Order: Sendable {
    /// Matrices below one another, from a row of the first on.
    case stacked([WeightRows], from: Int)
    /// Panels of rows of the one and then the same rows of the other, of `width` rows each.
    case paired(WeightRows, WeightRows, width: Int)
  }

  /// nil where the file holds any of them in full.
  init?(stacked parts: [WeightRows], from first: Int = 0) {
    guard parts.allSatisfy(\.isQuantized) else { return nil }
    order = .stacked(parts, from: first)
  }

  init?(gate: WeightRows, up: WeightRows, width: Int) {
    guard gate.isQuantized, up.isQuantized else { return nil }
    order = .paired(gate, up, width: width)
  }

  /// target[i] = row `outputs.lowerBound + i` times x, in f32.
  func multiply(_ outputs: Range<Int>, _ x: UnsafePointer<Float>, into target: UnsafeMutablePointer<Float>) {
    switch order {
    case .stacked(let parts, let from):
      var first = -from
      for part in parts {
        let mine = outputs.clamped(to: first..<first + part.tensor.rows)
        for output in mine { target[output - outputs.lowerBound] = part.dot(output - first, x) }
        first += part.tensor.rows
      }
    case .paired(let gate, let up, let width):
      for output in outputs {
        let (panel, within) = output.quotientAndRemainder(dividingBy: 2 * width)
        // The last panel may be narrower.
        let rows = min(width, gate.tensor.rows - panel * width)
        let row = panel * width + within % rows
        target[output - outputs.lowerBound] = within < rows ? gate.dot(row, x) : up.dot(row, x)
      }
    }
  }
}
