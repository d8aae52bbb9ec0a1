import ControlAPI
import TierCore

/// From layers of text to a checked configuration: built-in defaults < file < environment < flags.
public struct ConfigurationLoader: Sendable {
  /// The user the daemon runs as, and its environment: for the default directories.
  public let uid: UInt32
  public let environment: [String: String]

  public init(uid: UInt32, environment: [String: String]) {
    self.uid = uid
    self.environment = environment
  }

  /// Each setting's value and where it came from. `flags` and `file` hold what was given there.
  public func layers(file: SettingLayer, flags: SettingLayer) -> SettingLayer {
    let winner = { (_: SettingValue, later: SettingValue) in later }
    return builtIn.merging(file, uniquingKeysWith: winner).merging(environmentLayer, uniquingKeysWith: winner)
      .merging(flags, uniquingKeysWith: winner)
  }

  /// Throws the first fault there is.
  public func configuration(_ layers: SettingLayer) throws(ConfigurationFault) -> DaemonConfiguration {
    let reader = SettingReader(layers: layers)
    let device = try reader.device()
    let configuration = DaemonConfiguration(
      runtimeDirectory: try reader.directory(.runtimeDirectory),
      stateDirectory: try reader.directory(.stateDirectory),
      device: device,
      deviceBudgetBytes: device == .none ? 0 : try reader.budget(.deviceBudget, least: SettingReader.leastMemoryBytes),
      hostBudget: try reader.hostBudget(), isHostBudgetGiven: layers[.hostBudget]?.origin != .builtIn,
      diskBudgetBytes: try reader.diskBudget(),
      cudaLibrary: try reader.cudaLibrary(),
      emulatedLinkBytesPerS: try reader.linkSpeed(),
      drainDeadlineS: try reader.drainDeadline(),
      tenants: try reader.tenants(),
      logLevel: try reader.logLevel())
    for (tier, bytes) in [
      (Tier.device, configuration.deviceBudgetBytes), (.host, configuration.hostBudgetBytes),
      (.disk, configuration.diskBudgetBytes),
    ] {
      if let why = configuration.tenants.fault(ofBudget: bytes, tier) { throw reader.fault(.tenants, why) }
    }
    let longest = max(configuration.workerSocketPath.utf8.count, configuration.controlSocketPath.utf8.count)
    guard longest <= RuntimePaths.maxSocketPathBytes else {
      throw reader.fault(
        .runtimeDirectory,
        "the sockets' paths would have \(longest) bytes, and \(RuntimePaths.maxSocketPathBytes) are "
          + "the most: choose a shorter directory")
    }
    return configuration
  }

  private var builtIn: SettingLayer {
    var texts: [Setting: String] = [
      .device: "none", .deviceBudget: "1GiB", .hostBudget: "1GiB", .diskBudget: "8GiB", .emulatedLink: "unlimited",
      .cudaLibrary: "libcuda.so.1", .drainDeadline: "45s", .tenants: "{}", .logLevel: "info",
    ]
    texts[.runtimeDirectory] =
      unitDirectory("RUNTIME_DIRECTORY") ?? RuntimePaths.runtimeDirectory(uid: uid, environment: environment)
    texts[.stateDirectory] =
      unitDirectory("STATE_DIRECTORY") ?? RuntimePaths.stateDirectory(uid: uid, environment: environment)
    return texts.mapValues { SettingValue($0, .builtIn) }
  }

  /// The first of what a unit's RuntimeDirectory= or StateDirectory= names: systemd.exec(5).
  private func unitDirectory(_ variable: String) -> String? {
    environment[variable]?.split(separator: ":").first.map(String.init)
  }

  private var environmentLayer: SettingLayer {
    var layer: SettingLayer = [:]
    for setting in Setting.allCases {
      if let text = environment[setting.environmentName] { layer[setting] = SettingValue(text, .environment) }
    }
    return layer
  }
}
