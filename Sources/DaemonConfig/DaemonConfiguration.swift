public import ControlAPI
public import TierCore

/// What `tierd` runs with, checked.
public struct DaemonConfiguration: Sendable, Equatable {
  public enum Device: Sendable, Equatable {
    /// The host is the compute tier.
    case none
    /// Host memory that copies as a device would, in threads of its own.
    case emulated
    /// A GPU, as the driver counts those this process may see.
    case cuda(ordinal: Int)
  }

  /// Holds the sockets.
  public var runtimeDirectory: String
  /// Holds the spill.
  public var stateDirectory: String
  public var device: Device
  /// 0 where there is no device.
  public var deviceBudgetBytes: Int
  public var hostBudget: HostBudget
  /// Somebody said so: a budget that cannot be had is refused, where a default would be made smaller.
  public var isHostBudgetGiven: Bool
  /// 0: nothing is spilled.
  public var diskBudgetBytes: Int
  /// Where the loader finds the CUDA driver: a name, or an absolute path.
  public var cudaLibrary: String
  /// Speed of each direction of the emulated device's link; nil: unlimited.
  public var emulatedLinkBytesPerS: Int?
  /// How long a stop may take to write what is only in memory to disk.
  public var drainDeadlineS: Int
  /// Which users are whose, and what they may have.
  public var tenants: TenantTable
  /// A name swift-log knows: `trace`, `debug`, `info`, `notice`, `warning`, `error`, `critical`.
  public var logLevel: String

  public var hostBudgetBytes: Int { hostBudget.bytes }
  public var workerSocketPath: String { runtimeDirectory + "/" + RuntimePaths.workerSocketName }
  public var controlSocketPath: String { runtimeDirectory + "/" + RuntimePaths.controlSocketName }
  public var spillDirectory: String { stateDirectory + "/spill" }
}

/// Why there is no configuration: one line that names the setting, where it came from, and what to do. Exit code 78.
public struct ConfigurationFault: Error, Sendable, Equatable {
  public let message: String
  public init(_ message: String) { self.message = message }
}
