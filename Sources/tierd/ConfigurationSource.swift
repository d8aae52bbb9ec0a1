import DaemonConfig
import Glibc

/// Where the configuration comes from. It can be read again: flags and environment are those of the start, the file is the
/// file as it is then.
struct ConfigurationSource: Sendable {
  let environment: [String: String]
  let flags: SettingLayer
  /// As given by --config.
  let path: String?

  struct Loaded: Sendable {
    let layers: SettingLayer
    let configuration: DaemonConfiguration
  }

  func load() throws(ConfigurationFault) -> Loaded {
    let loader = ConfigurationLoader(uid: geteuid(), environment: environment)
    let layers = loader.layers(file: try file(), flags: flags)
    return Loaded(layers: layers, configuration: try loader.configuration(layers))
  }

  private func file() throws(ConfigurationFault) -> SettingLayer {
    if let path = path ?? environment["TIERD_CONFIG"] { return try ConfigurationFile.load(path) }
    guard geteuid() == 0, access(ConfigurationFile.defaultPath, F_OK) == 0 else { return [:] }
    return try ConfigurationFile.load(ConfigurationFile.defaultPath)
  }
}
