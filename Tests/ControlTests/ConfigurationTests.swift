import DaemonConfig
import Testing

@Suite struct ConfigurationTests {
  private func loader(_ environment: [String: String] = [:]) -> ConfigurationLoader {
    ConfigurationLoader(uid: 0, environment: environment)
  }

  private func load(
    yaml: String = "", environment: [String: String] = [:], flags: [Setting: String] = [:]
  ) throws -> DaemonConfiguration {
    let loader = loader(environment)
    return try loader.configuration(
      loader.layers(
        file: ConfigurationFile.parse(yaml, path: "t.yaml"), flags: flags.mapValues { SettingValue($0, .flag) }))
  }

  private func fault(
    yaml: String = "", environment: [String: String] = [:], flags: [Setting: String] = [:]
  ) -> String? {
    #expect(throws: ConfigurationFault.self) {
      try load(yaml: yaml, environment: environment, flags: flags)
    }?.message
  }

  @Test func defaultsAreWhole() throws {
    let configuration = try load()
    #expect(configuration.controlSocketPath == "/run/tierd/control.sock")
    #expect(configuration.workerSocketPath == "/run/tierd/worker.sock")
    #expect(configuration.stateDirectory == "/var/lib/tierd")
    #expect(configuration.device == .none)
    #expect(configuration.deviceBudgetBytes == 0)
    #expect(configuration.emulatedLinkBytesPerS == nil)
  }

  @Test func fileBeatsDefaultEnvironmentBeatsFileFlagBeatsEnvironment() throws {
    let yaml = "host_budget: 2MiB\ndisk_budget: 100M\ndevice_budget: 3MiB\ndevice: emulated"
    let environment = ["TIERD_DISK_BUDGET": "200M", "TIERD_DEVICE_BUDGET": "4MiB"]
    let configuration = try load(yaml: yaml, environment: environment, flags: [.deviceBudget: "5MiB"])
    #expect(configuration.hostBudgetBytes == 2 << 20)
    #expect(configuration.diskBudgetBytes == 200 << 20)
    #expect(configuration.deviceBudgetBytes == 5 << 20)
  }

  @Test func directoriesFollowTheUser() throws {
    let environment = ["XDG_RUNTIME_DIR": "/run/user/1000", "HOME": "/home/u"]
    let loader = ConfigurationLoader(uid: 1000, environment: environment)
    let configuration = try loader.configuration(loader.layers(file: [:], flags: [:]))
    #expect(configuration.runtimeDirectory == "/run/user/1000/tierd")
    #expect(configuration.stateDirectory == "/home/u/.local/state/tierd")
    let bare = ConfigurationLoader(uid: 1000, environment: [:])
    #expect(throws: ConfigurationFault.self) { try bare.configuration(bare.layers(file: [:], flags: [:])) }
  }

  @Test func anUnknownKeyIsNamedWithTheNearestKnownOne() {
    #expect(
      fault(yaml: "# sizes\nhost_bugdet: 2GiB")
        == "t.yaml, line 2: there is no setting 'host_bugdet': did you mean 'host_budget'?")
    #expect(fault(yaml: "loglevel: info")?.contains("'log_level'") == true)
    #expect(fault(yaml: "state-dir: /x")?.contains("'state_dir'") == true)
  }

  @Test(arguments: [
    "- a\n- b", "host_budget: [1, 2]", "host_budget: {a: 1}", "host_budget:", "host_budget: 1MiB\nhost_budget: 2MiB",
    "a: b: c", "[x]: 1", "{", "host_budget: *unknown", "just text",
  ])
  func aFileThatIsNoMappingOfValuesIsRefusedInOneLine(_ yaml: String) throws {
    let message = try #require(fault(yaml: yaml))
    #expect(message.hasPrefix("t.yaml"))
    #expect(!message.contains { $0.isNewline })
  }

  @Test func anEmptyFileSetsNothing() throws {
    #expect(try load(yaml: "# nothing\n") == load())
  }

  @Test func aFaultNamesWhereTheValueCameFrom() {
    #expect(fault(yaml: "host_budget: 12Q")?.hasPrefix("t.yaml, line 1: host_budget: '12Q' is no size") == true)
    #expect(fault(environment: ["TIERD_HOST_BUDGET": "x"])?.hasPrefix("TIERD_HOST_BUDGET: 'x'") == true)
    #expect(fault(flags: [.hostBudget: "-1"])?.hasPrefix("--host-budget: '-1'") == true)
  }

  @Test(arguments: [
    (Setting.hostBudget, "0"), (.hostBudget, "99999999999999999999G"), (.hostBudget, "2000000T"), (.diskBudget, "1M"),
    (.device, "cuda:one"), (.device, "cuda:-1"), (.cudaLibrary, "lib/libcuda.so"), (.cudaLibrary, ""), (.device, "gpu"),
    (.runtimeDirectory, "run"), (.stateDirectory, ""), (.logLevel, "loud"),
    (.emulatedLink, "fast"), (.emulatedLink, "1K/s"),
    (.runtimeDirectory, "/" + String(repeating: "d", count: 100)),
  ])
  func whatCannotBeMeantIsRefused(_ setting: Setting, _ text: String) throws {
    var flags = [setting: text]
    if setting != .device { flags[.device] = "emulated" }
    #expect(try #require(fault(flags: flags)).hasPrefix(setting.flagName + ": "))
  }

  @Test func theLinkReadsWithAndWithoutItsUnit() throws {
    #expect(try load(flags: [.emulatedLink: "2GiB/s"]).emulatedLinkBytesPerS == 2 << 30)
    #expect(try load(flags: [.emulatedLink: "2GiB"]).emulatedLinkBytesPerS == 2 << 30)
    #expect(try load(yaml: "emulated_link: unlimited").emulatedLinkBytesPerS == nil)
  }

  @Test func noSpillIsAChoice() throws {
    #expect(try load(yaml: "disk_budget: 0").diskBudgetBytes == 0)
  }

  @Test func whatIsPrintedReadsBack() throws {
    let loader = loader(["TIERD_LOG_LEVEL": "debug"])
    let flags: SettingLayer = [.stateDirectory: SettingValue("/var/it's here: #1", .flag)]
    let layers = loader.layers(file: [:], flags: flags)
    let text = ConfigurationText.render(layers)
    let again = try self.loader().layers(file: ConfigurationFile.parse(text, path: "p"), flags: [:])
    #expect(again.mapValues(\.text) == layers.mapValues(\.text))
    #expect(text.contains("# TIERD_LOG_LEVEL"))
  }
}
