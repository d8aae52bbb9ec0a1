import TierCore

/// Figures as people read them.
enum Numbers {
  /// `1,234,567`
  static func count(_ value: Int) -> String {
    let digits = String(value.magnitude)
    let grouped = digits.enumerated().reduce(into: "") { text, item in
      if item.offset > 0, (digits.count - item.offset) % 3 == 0 { text += "," }
      text.append(item.element)
    }
    return value < 0 ? "-" + grouped : grouped
  }

  static func bytes(_ value: Int) -> String { ByteCount.text(value) }

  /// One decimal place: `12.3`
  static func tenths(_ value: Double) -> String {
    guard value.isFinite, value.magnitude < 1e15 else { return "–" }
    let tenths = Int((value * 10).rounded())
    return (tenths < 0 ? "-" : "") + "\(tenths.magnitude / 10).\(tenths.magnitude % 10)"
  }

  static func hundredths(_ value: Double) -> String {
    guard value.isFinite, value.magnitude < 1e14 else { return "–" }
    let hundredths = Int((value * 100).rounded())
    let fraction = hundredths.magnitude % 100
    return (hundredths < 0 ? "-" : "") + "\(hundredths.magnitude / 100)." + (fraction < 10 ? "0" : "") + "\(fraction)"
  }

  /// `97.5 %`; `–` of nothing.
  static func percent(_ part: Int, of whole: Int) -> String {
    whole > 0 ? tenths(100 * Double(part) / Double(whole)) + " %" : "–"
  }

  /// `7.5 µs`, `1.2 ms`, `3.4 s`
  static func microseconds(_ us: Double) -> String {
    switch us {
    case ..<1000: tenths(us) + " µs"
    case ..<1_000_000: tenths(us / 1000) + " ms"
    default: tenths(us / 1_000_000) + " s"
    }
  }

  /// `12 s`, `3 min 20 s`, `5 h 2 min`, `4 d 1 h`
  static func duration(_ seconds: Double) -> String {
    let s = seconds.isFinite && seconds > 0 ? Int(min(seconds, 1e12)) : 0
    switch s {
    case ..<60: return "\(s) s"
    case ..<3600: return "\(s / 60) min \(s % 60) s"
    case ..<86_400: return "\(s / 3600) h \(s % 3600 / 60) min"
    default: return "\(s / 86_400) d \(s % 86_400 / 3600) h"
    }
  }

  static func plural(_ value: Int, _ one: String) -> String {
    "\(count(value)) \(one)\(value == 1 ? "" : "s")"
  }
}
