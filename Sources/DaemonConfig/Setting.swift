/// Everything that can be configured. The raw value is the key in the file.
public enum Setting: String, Sendable, CaseIterable {
  case runtimeDirectory = "runtime_dir"
  case stateDirectory = "state_dir"
  case device
  case deviceBudget = "device_budget"
  case hostBudget = "host_budget"
  case diskBudget = "disk_budget"
  case emulatedLink = "emulated_link"
  case cudaLibrary = "cuda_library"
  case drainDeadline = "drain_deadline"
  case tenants
  case logLevel = "log_level"

  /// Its text is a YAML mapping on one line.
  var isMapping: Bool { self == .tenants }

  /// `TIERD_HOST_BUDGET`
  public var environmentName: String { "TIERD_" + rawValue.uppercased() }
  /// `--host-budget`
  public var flagName: String { "--" + rawValue.split(separator: "_").joined(separator: "-") }

  /// The key most like `text`, for who mistyped it.
  static func nearest(to text: String) -> Setting {
    let folded = text.lowercased().split(separator: "-").joined(separator: "_")
    return allCases.min { editDistance(folded, $0.rawValue) < editDistance(folded, $1.rawValue) } ?? .device
  }
}

/// Levenshtein's: the least number of letters to insert, delete or replace. Texts beyond 64 letters count as that long.
private func editDistance(_ a: String, _ b: String) -> Int {
  let (a, b) = (Array(a.prefix(64)), Array(b.prefix(64)))
  var row = Array(0...b.count)
  for i in a.indices {
    var diagonal = row[0]
    row[0] = i + 1
    for j in b.indices {
      let replaced = diagonal + (a[i] == b[j] ? 0 : 1)
      diagonal = row[j + 1]
      row[j + 1] = min(replaced, row[j] + 1, diagonal + 1)
    }
  }
  return row[b.count]
}

/// A setting's value as text, and who said so.
public struct SettingValue: Sendable, Equatable {
  public enum Origin: Sendable, Equatable {
    case builtIn
    case file(path: String, line: Int)
    case environment
    case flag
  }

  public let text: String
  public let origin: Origin

  public init(_ text: String, _ origin: Origin) {
    self.text = text
    self.origin = origin
  }
}

/// Values of some settings; a later layer wins over an earlier one.
public typealias SettingLayer = [Setting: SettingValue]
