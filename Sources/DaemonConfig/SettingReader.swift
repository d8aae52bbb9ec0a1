import ControlAPI
import TierCore

/// Turns the text of each setting into its value, or into one line that names the setting and where it came from.
struct SettingReader {
  let layers: SettingLayer

  /// Less memory than this holds not even one block of the smallest models.
  static let leastMemoryBytes = 1 << 20
  private static let leastDiskBytes = 16 << 20
  private static let mostBytes = 1 << 50
  private static let mostDrainS = 3600
  private static let logLevels = ["trace", "debug", "info", "notice", "warning", "error", "critical"]

  func fault(_ setting: Setting, _ why: String) -> ConfigurationFault {
    switch layers[setting]?.origin {
    case .file(let path, let line): ConfigurationFault("\(path), line \(line): \(setting.rawValue): \(why)")
    case .environment: ConfigurationFault("\(setting.environmentName): \(why)")
    case .flag, .builtIn, nil: ConfigurationFault("\(setting.flagName): \(why)")
    }
  }

  private func text(_ setting: Setting) throws(ConfigurationFault) -> String {
    guard let value = layers[setting] else {
      throw fault(setting, "there is no default for this user: give one (or set XDG_RUNTIME_DIR and HOME)")
    }
    return value.text
  }

  func directory(_ setting: Setting) throws(ConfigurationFault) -> String {
    let path = try text(setting)
    guard path.hasPrefix("/"), !path.utf8.contains(0) else {
      throw fault(setting, "'\(path.prefix(128))' is not an absolute path")
    }
    var trimmed = Substring(path)
    while trimmed.count > 1, trimmed.last == "/" { trimmed.removeLast() }
    return String(trimmed)
  }

  func device() throws(ConfigurationFault) -> DaemonConfiguration.Device {
    let name = try text(.device)
    switch name {
    case "none": return .none
    case "emulated": return .emulated
    case "cuda": return .cuda(ordinal: 0)
    case _ where name.hasPrefix("cuda:"):
      guard let ordinal = Int(name.dropFirst(5)), (0...255).contains(ordinal) else {
        throw fault(.device, "'\(name.prefix(64))' is no device: write it like cuda:0")
      }
      return .cuda(ordinal: ordinal)
    default: throw fault(.device, "there is no device '\(name.prefix(64))': take 'cuda:0', 'emulated' or 'none'")
    }
  }

  /// A name for the loader to find, or a path from the root: nothing relative to where the daemon was started.
  func cudaLibrary() throws(ConfigurationFault) -> String {
    let name = try text(.cudaLibrary)
    guard !name.isEmpty, !name.utf8.contains(0), name.hasPrefix("/") || !name.contains("/") else {
      throw fault(.cudaLibrary, "'\(name.prefix(128))' is neither a name like libcuda.so.1 nor an absolute path")
    }
    return name
  }

  func budget(_ setting: Setting, least: Int) throws(ConfigurationFault) -> Int {
    let bytes = try size(setting, try text(setting))
    guard bytes >= least else {
      throw fault(setting, "\(ByteCount.text(bytes)) is too small: \(ByteCount.text(least)) is the least")
    }
    return bytes
  }

  /// In all, or of each node.
  func hostBudget() throws(ConfigurationFault) -> HostBudget {
    let text = try text(.hostBudget)
    guard text.contains("=") else {
      return .total(try budget(.hostBudget, least: Self.leastMemoryBytes))
    }
    guard let budget = HostBudget.parse(text), case .nodes(let nodes) = budget else {
      throw fault(
        .hostBudget, "'\(text.prefix(128))' is no budget by node: write it like node0=4GiB,node1=4GiB, each node once")
    }
    for node in nodes where node.budgetBytes < Self.leastMemoryBytes || node.budgetBytes > Self.mostBytes {
      throw fault(
        .hostBudget,
        "\(ByteCount.text(node.budgetBytes)) of node\(node.id): \(ByteCount.text(Self.leastMemoryBytes)) is the least, "
          + "\(ByteCount.text(Self.mostBytes)) the most; leave out a node that is to be left alone")
    }
    return budget
  }

  /// 0 is a budget: nothing is spilled.
  func diskBudget() throws(ConfigurationFault) -> Int {
    let bytes = try size(.diskBudget, try text(.diskBudget))
    guard bytes == 0 || bytes >= Self.leastDiskBytes else {
      throw fault(
        .diskBudget,
        "\(ByteCount.text(bytes)) is too small: 0 for no spill, or at least "
          + ByteCount.text(Self.leastDiskBytes))
    }
    return bytes
  }

  func linkSpeed() throws(ConfigurationFault) -> Int? {
    let speed = try text(.emulatedLink)
    if speed == "unlimited" { return nil }
    let bytes = try size(.emulatedLink, speed.hasSuffix("/s") ? String(speed.dropLast(2)) : speed)
    guard bytes >= 1 << 20 else { throw fault(.emulatedLink, "at least 1MiB/s, or 'unlimited'") }
    return bytes
  }

  /// Seconds; 0 is a deadline too: what is not on disk is computed again.
  func drainDeadline() throws(ConfigurationFault) -> Int {
    let text = try text(.drainDeadline)
    let digits = text.hasSuffix("s") ? text.dropLast() : text[...]
    guard digits.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }), let seconds = Int(digits),
      seconds <= Self.mostDrainS
    else { throw fault(.drainDeadline, "'\(text.prefix(64))' is not 0s to \(Self.mostDrainS)s") }
    return seconds
  }

  func tenants() throws(ConfigurationFault) -> TenantTable {
    try TenantReader { fault(.tenants, $0) }.read(try text(.tenants))
  }

  func logLevel() throws(ConfigurationFault) -> String {
    let level = try text(.logLevel)
    guard Self.logLevels.contains(level) else {
      throw fault(.logLevel, "there is no level '\(level.prefix(64))': \(Self.logLevels.joined(separator: ", "))")
    }
    return level
  }

  private func size(_ setting: Setting, _ text: String) throws(ConfigurationFault) -> Int {
    guard let bytes = ByteCount.parse(text) else {
      throw fault(setting, "'\(text.prefix(64))' is no size: write it like 256MiB or 8G")
    }
    guard bytes <= Self.mostBytes else { throw fault(setting, "more than \(ByteCount.text(Self.mostBytes))") }
    return bytes
  }
}
