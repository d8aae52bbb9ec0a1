import TierCore

/// The figures of a group as a person reads them.
enum FigureTable {
  static func text(group: String, _ figures: [Figure]) -> String {
    let rows = figures.map { figure in
      [
        figure.title, text(figure.value, figure.unit), figure.target.map { "target " + text($0) } ?? "",
        figure.isMet.map { $0 ? "met" : "MISSED" } ?? "",
      ]
    }
    let widths = (0..<4).map { column in rows.map { $0[column].count }.max() ?? 0 }
    let lines = rows.map { row in
      let cells = [
        row[0].padded(to: widths[0]), row[1].paddedLeft(to: widths[1]), row[2].padded(to: widths[2]), row[3],
      ]
      return "  " + cells.joined(separator: "  ").trimmingSuffix { $0 == " " }
    }
    return ([group] + lines).joined(separator: "\n")
  }

  static func text(_ target: Figure.Target) -> String {
    switch target {
    case .atMost(let limit): "≤ " + number(limit)
    case .atLeast(let limit): "≥ " + number(limit)
    }
  }

  static func text(_ value: Double, _ unit: Figure.Unit) -> String {
    switch unit {
    case .microseconds: number(value, digits: 1) + " µs"
    case .seconds: number(value, digits: 3) + " s"
    case .ratio: number(value, digits: 3) + "×"
    case .tokensPerSecond: number(value, digits: 0) + " tokens/s"
    case .gigabytesPerSecond: number(value, digits: 2) + " GB/s"
    case .gigaflops: number(value, digits: 1) + " GFLOP/s"
    case .positions: number(value, digits: 0) + " positions"
    case .graphs: number(value, digits: 0) + " graphs"
    case .blocks: number(value, digits: 0) + " blocks"
    case .percent: number(value, digits: 1) + " %"
    case .points: number(value, digits: 2) + " points"
    case .bytes: ByteCount.text(Int(value))
    }
  }

  /// As short as it can be: 40, 1.1.
  private static func number(_ value: Double) -> String {
    value == value.rounded() ? number(value, digits: 0) : "\(value)"
  }

  static func number(_ value: Double, digits: Int) -> String {
    guard value.isFinite, abs(value) < 1e15 else { return "\(value)" }
    var scale = 1
    for _ in 0..<digits { scale *= 10 }
    let scaled = Int((abs(value) * Double(scale)).rounded())
    let sign = value < 0 && scaled > 0 ? "-" : ""
    guard digits > 0 else { return sign + "\(scaled)" }
    return sign + "\(scaled / scale)." + "\(scaled % scale)".paddedLeft(to: digits, with: "0")
  }
}

extension String {
  func padded(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }

  func paddedLeft(to width: Int, with character: Character = " ") -> String {
    String(repeating: character, count: max(0, width - count)) + self
  }

  fileprivate func trimmingSuffix(while isTrimmed: (Character) -> Bool) -> Substring {
    var rest = self[...]
    while let last = rest.last, isTrimmed(last) { rest.removeLast() }
    return rest
  }
}
