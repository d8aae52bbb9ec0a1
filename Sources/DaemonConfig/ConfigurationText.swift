/// What is in force, as a configuration file that says where each value came from.
public enum ConfigurationText {
  public static func render(_ layers: SettingLayer) -> String {
    let lines = Setting.allCases.compactMap { setting in
      layers[setting].map {
        ("\(setting.rawValue): \(setting.isMapping ? $0.text : quoted($0.text))", origin(setting, $0.origin))
      }
    }
    let width = lines.map { $0.0.count }.max() ?? 0
    return lines.map { $0.0 + String(repeating: " ", count: width - $0.0.count) + "  # " + $0.1 + "\n" }.joined()
  }

  private static func origin(_ setting: Setting, _ origin: SettingValue.Origin) -> String {
    switch origin {
    case .builtIn: "default"
    case .file(let path, let line): "\(path), line \(line)"
    case .environment: setting.environmentName
    case .flag: setting.flagName
    }
  }

  /// Plain where YAML reads it back as it is; single quotes else.
  static func quoted(_ text: String) -> String {
    let plain = text.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "/"), UInt8(ascii: "."), UInt8(ascii: "_"),
        UInt8(ascii: "-"):
        true
      default: false
      }
    }
    return plain && !text.isEmpty
      ? text : "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''") + "'"
  }
}
