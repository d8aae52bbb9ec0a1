/// Sizes as people write and read them: `256MiB`, `8G` (binary in either spelling), `1.5 GiB`.
public enum ByteCount {
  private static let units: [(suffixes: [String], bytes: Int)] = [
    (["tib", "tb", "t"], 1 << 40), (["gib", "gb", "g"], 1 << 30), (["mib", "mb", "m"], 1 << 20),
    (["kib", "kb", "k"], 1 << 10), (["b", ""], 1),
  ]

  /// Nil where the text is no size, is negative, or exceeds `Int.max`.
  public static func parse(_ text: String) -> Int? {
    let compact = text.filter { $0 != " " && $0 != "_" }.lowercased()
    let digits = compact.prefix { $0.isNumber || $0 == "." }
    let suffix = String(compact.dropFirst(digits.count))
    guard !digits.isEmpty, digits.allSatisfy(\.isASCII),
      let unit = units.first(where: { $0.suffixes.contains(suffix) })
    else { return nil }
    if let whole = Int(digits) {
      let (bytes, overflow) = whole.multipliedReportingOverflow(by: unit.bytes)
      return overflow ? nil : bytes
    }
    guard let value = Double(digits), value.isFinite, value * Double(unit.bytes) < Double(Int.max) else { return nil }
    return Int(value * Double(unit.bytes))
  }

  /// At most one decimal, binary units: `48 MiB`, `1.5 GiB`.
  public static func text(_ bytes: Int) -> String {
    for (suffix, unit) in [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)]
    where abs(bytes) >= unit {
      let tenths = (bytes * 10 + unit / 2) / unit
      return tenths % 10 == 0 ? "\(tenths / 10) \(suffix)" : "\(tenths / 10).\(abs(tenths % 10)) \(suffix)"
    }
    return "\(bytes) B"
  }
}
