import Glibc
import Yams

/// The YAML file: one mapping from settings to values. Anything else in it is an error with its line.
public enum ConfigurationFile {
  public static let defaultPath = "/etc/tierd/tierd.yaml"
  /// More than any configuration needs.
  public static let maxBytes = 64 << 10

  /// Throws where the file cannot be read, is too large, or is not such a mapping.
  public static func load(_ path: String) throws(ConfigurationFault) -> SettingLayer {
    try parse(read(path), path: path)
  }

  /// `path` is for messages.
  public static func parse(_ text: String, path: String) throws(ConfigurationFault) -> SettingLayer {
    let root: Node?
    do {
      root = try Yams.compose(yaml: text)
    } catch {
      throw ConfigurationFault("\(path): not YAML: \(oneLine(error))")
    }
    guard let root, root.null == nil else { return [:] }
    guard case .mapping(let mapping) = root else {
      throw ConfigurationFault("\(path): the file is a mapping, like 'host_budget: 2GiB'")
    }
    var layer: SettingLayer = [:]
    for (key, value) in mapping {
      let line = key.mark?.line ?? 0
      let setting = try setting(key, path, line)
      let text = try Self.text(value, of: setting, path, line)
      guard layer.updateValue(SettingValue(text, .file(path: path, line: line)), forKey: setting) == nil else {
        throw ConfigurationFault("\(path), line \(line): \(setting.rawValue) is there twice")
      }
    }
    return layer
  }

  private static func text(
    _ value: Node, of setting: Setting, _ path: String, _ line: Int
  ) throws(ConfigurationFault) -> String {
    if setting.isMapping {
      guard value.null == nil, case .mapping = value else {
        throw ConfigurationFault("\(path), line \(line): \(setting.rawValue) takes a mapping of names")
      }
      return flowText(value)
    }
    guard case .scalar(let scalar) = value, value.null == nil else {
      throw ConfigurationFault("\(path), line \(line): \(setting.rawValue) takes one value")
    }
    return scalar.string
  }

  private static func setting(_ key: Node, _ path: String, _ line: Int) throws(ConfigurationFault) -> Setting {
    guard case .scalar(let scalar) = key else { throw ConfigurationFault("\(path), line \(line): a key is a word") }
    guard let setting = Setting(rawValue: scalar.string) else {
      throw ConfigurationFault(
        "\(path), line \(line): there is no setting '\(scalar.string.prefix(64))': did you mean "
          + "'\(Setting.nearest(to: scalar.string).rawValue)'?")
    }
    return setting
  }

  private static func read(_ path: String) throws(ConfigurationFault) -> String {
    let fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY)
    guard fd >= 0 else { throw ConfigurationFault("cannot read \(path): \(String(cString: strerror(errno)))") }
    defer { close(fd) }
    var info = stat()
    guard fstat(fd, &info) == 0, info.st_mode & S_IFMT == S_IFREG else {
      throw ConfigurationFault("cannot read \(path): it is not a file")
    }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 16 << 10)
    while bytes.count <= maxBytes {
      let n = Glibc.read(fd, &buffer, buffer.count)
      if n == 0 { break }
      if n < 0 && errno == EINTR { continue }
      guard n > 0 else { throw ConfigurationFault("cannot read \(path): \(String(cString: strerror(errno)))") }
      bytes += buffer[..<n]
    }
    guard bytes.count <= maxBytes else { throw ConfigurationFault("\(path) exceeds \(maxBytes >> 10) KiB") }
    guard let text = String(validating: bytes, as: UTF8.self) else { throw ConfigurationFault("\(path) is not UTF-8") }
    return text
  }

  private static func oneLine(_ error: any Error) -> String {
    "\(error)".split(whereSeparator: \.isNewline).map { $0.trimmingPrefix { $0 == " " } }.joined(separator: " ")
  }
}
