import ArgumentParser
import ControlAPI
import DaemonConfig
import FoundationEssentials
import Glibc

@main
struct Tierd: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tierd",
    abstract: "Keeps the memory of long-context inference on three tiers: device, host, disk.",
    discussion: """
      Each setting comes from its flag, else from its environment variable (TIERD_HOST_BUDGET), else from the
      configuration file (host_budget), else from a default. Sizes read as people write them: 256MiB, 8G.

      EXAMPLES:
        tierd --device emulated --device-budget 48MiB --host-budget 48MiB --disk-budget 2GiB
        tierd --config /etc/tierd/tierd.yaml --log-level debug
        tierd --print-config

      SIGNALS: TERM and INT stop it once what is only in memory is on disk, HUP reads the configuration file again.
      EXIT CODES: 0 fine, 64 usage, 70 a bug, 74 input or output failed, 75 another tierd runs here, 78 configuration.
      """,
    version: ProjectVersion.text)

  @Option(
    help: .init(
      "The configuration file (default: $TIERD_CONFIG; as root also \(ConfigurationFile.defaultPath) where it exists).",
      valueName: "file"))
  var config: String?

  @OptionGroup var settings: SettingFlags

  @Option(
    help: .init(
      "For tests: of so many reads from disk one returns a flipped bit (docs/testing.md).", valueName: "reads",
      visibility: .hidden))
  var testDamageOneReadIn: Int?

  @Option(
    help: .init(
      "For tests: crashes in the recovery of this segment of the spill (docs/testing.md).", valueName: "segment",
      visibility: .hidden))
  var testDieInSegment: UInt64?

  private var tests: DaemonTests {
    DaemonTests(damagesOneReadIn: testDamageOneReadIn, diesRecoveringSegment: testDieInSegment)
  }

  func validate() throws {
    if let reads = testDamageOneReadIn, reads < 1 {
      throw ValidationError("--test-damage-one-read-in \(reads): at least 1")
    }
  }

  @Flag(help: "Print the configuration in force, and where each value came from; run nothing.")
  var printConfig = false

  func run() async throws {
    do {
      let source = ConfigurationSource(
        environment: ProcessInfo.processInfo.environment, flags: settings.layer, path: config)
      let initial = try source.load()
      if printConfig { return print(ConfigurationText.render(initial.layers), terminator: "") }
      try await Daemon(source: source, initial: initial, tests: tests).run()
    } catch let error as any ExitingError {
      writeToStandardError("tierd: \(error.message)\n")
      throw ExitCode(error.exitCode)
    }
  }
}

/// One flag for each setting. Values are checked with all the others, not here.
struct SettingFlags: ParsableArguments {
  @Option(help: .init("Where the sockets are.", valueName: "dir"))
  var runtimeDir: String?

  @Option(help: .init("Where the spill is.", valueName: "dir"))
  var stateDir: String?

  @Option(help: .init("What workers compute on: cuda:0, emulated or none (the host).", valueName: "device"))
  var device: String?

  @Option(help: .init("What the device tier may hold.", valueName: "size"))
  var deviceBudget: String?

  @Option(
    help: .init(
      "What the host tier may hold, shared out over the NUMA nodes; or by node: node0=4GiB,node1=4GiB.",
      valueName: "size"))
  var hostBudget: String?

  @Option(help: .init("What the spill may take on disk; 0 for no spill.", valueName: "size"))
  var diskBudget: String?

  @Option(help: .init("Speed of the emulated device's link each way, or 'unlimited'.", valueName: "size/s"))
  var emulatedLink: String?

  @Option(help: .init("Where the CUDA driver is, if not where the loader looks.", valueName: "library"))
  var cudaLibrary: String?

  @Option(help: .init("How long a stop may take to write what is only in memory to disk.", valueName: "seconds"))
  var drainDeadline: String?

  @Option(
    help: .init(
      "Users by name, and what they are guaranteed and may have: {team: {uids: [1001], host_guarantee: 1GiB}}.",
      valueName: "mapping"))
  var tenants: String?

  @Option(help: .init("trace, debug, info, notice, warning, error or critical.", valueName: "level"))
  var logLevel: String?

  var layer: SettingLayer {
    let given: [(Setting, String?)] = [
      (.runtimeDirectory, runtimeDir), (.stateDirectory, stateDir), (.device, device), (.deviceBudget, deviceBudget),
      (.hostBudget, hostBudget), (.diskBudget, diskBudget), (.emulatedLink, emulatedLink),
      (.cudaLibrary, cudaLibrary), (.drainDeadline, drainDeadline), (.tenants, tenants), (.logLevel, logLevel),
    ]
    return given.reduce(into: [:]) { layer, item in
      if let text = item.1 { layer[item.0] = SettingValue(text, .flag) }
    }
  }
}
