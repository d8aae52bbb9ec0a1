import FoundationEssentials

/// What the reader's terminal can show.
struct Style {
  var unicode: Bool

  static var current: Style {
    let environment = ProcessInfo.processInfo.environment
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].compactMap { environment[$0] }.first { !$0.isEmpty } ?? ""
    let folded = locale.lowercased()
    return Style(unicode: folded.contains("utf-8") || folded.contains("utf8"))
  }

  var arrow: String { unicode ? "→" : "->" }

  /// A bar of `width` cells, in eighths of a cell where the terminal can; overfull is full.
  func bar(_ part: Int, of whole: Int, width: Int) -> String {
    let share = whole > 0 ? min(1, max(0, Double(part) / Double(whole))) : (part > 0 ? 1 : 0)
    guard unicode else {
      let full = Int((share * Double(width)).rounded())
      return "[" + String(repeating: "#", count: full) + String(repeating: ".", count: width - full) + "]"
    }
    let eighths = Int((share * Double(8 * width)).rounded())
    let (full, part) = (eighths / 8, eighths % 8)
    let partial = part == 0 ? "" : ["▏", "▎", "▍", "▌", "▋", "▊", "▉"][part - 1]
    return String(repeating: "█", count: full) + partial
      + String(repeating: "░", count: width - full - (part == 0 ? 0 : 1))
  }
}
