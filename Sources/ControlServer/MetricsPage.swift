/// Metric families, one after the other, as Prometheus wants them: HELP, TYPE, then every sample of the family.
struct MetricsPage {
  enum Kind: String {
    case counter, gauge, summary
  }

  struct Family {
    fileprivate let name: String
    fileprivate var lines = ""

    mutating func sample(_ labels: [(String, String)], _ value: Int, suffix: String = "") {
      add(labels, "\(value)", suffix)
    }

    mutating func sample(_ labels: [(String, String)], _ value: Double, suffix: String = "") {
      add(labels, value.isNaN ? "NaN" : value.isInfinite ? (value > 0 ? "+Inf" : "-Inf") : "\(value)", suffix)
    }

    private mutating func add(_ labels: [(String, String)], _ value: String, _ suffix: String) {
      let pairs = labels.map { "\($0.0)=\"\(Self.escaped($0.1))\"" }.joined(separator: ",")
      lines += name + suffix + (pairs.isEmpty ? "" : "{\(pairs)}") + " " + value + "\n"
    }

    private static func escaped(_ text: String) -> String {
      text.reduce(into: "") { result, character in
        switch character {
        case "\\": result += "\\\\"
        case "\"": result += "\\\""
        case _ where character.isNewline: result += "\\n"
        default: result.append(character)
        }
      }
    }
  }

  private(set) var text = ""

  /// Adds a family; one without samples is left out.
  mutating func family(_ name: String, _ kind: Kind, _ help: String, _ fill: (inout Family) -> Void) {
    var family = Family(name: name)
    fill(&family)
    guard !family.lines.isEmpty else { return }
    text += "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n\(family.lines)"
  }
}
