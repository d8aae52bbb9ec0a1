import ControlAPI
import DaemonConfig
import Glibc
import Logging
import Synchronization
import Testing

@testable import tierd

/// What a new configuration does to a daemon that runs.
@Suite struct ReloadTests {
  private let store = FakeStore()
  private let level = LogLevel("info")
  private let scratch: ScratchDirectory

  private static let file: [Setting: String] = [
    .device: "emulated", .runtimeDirectory: "/r", .stateDirectory: "/s", .deviceBudget: "48MiB", .hostBudget: "1GiB",
    .diskBudget: "2GiB",
  ]

  /// In force is what `file` says.
  init() throws {
    scratch = try ScratchDirectory()
    let host = TierStatus(
      name: "host", budgetBytes: 1 << 30, usedBytes: 0, peakBytes: 0, keptBytes: 0, ringBytes: 0, blocks: 0)
    store.state.withLock {
      $0.status.tiers.append(host)
      $0.status.tenantTable = TenantTable()
    }
  }

  /// The file with some lines changed.
  private func loaded(_ changes: [Setting: String] = [:]) throws -> ConfigurationSource.Loaded {
    let lines = Self.file.merging(changes) { $1 }.map { "\($0.key.rawValue): \($0.value)\n" }.sorted().joined()
    let path = scratch.path + "/tierd.yaml"
    let fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0o600)
    defer { close(fd) }
    #expect(write(fd, lines, lines.utf8.count) == lines.utf8.count)
    return try ConfigurationSource(environment: [:], flags: [:], path: path).load()
  }

  @Test("The same again changes nothing and asks for nothing") func same() throws {
    let reload = try Reload(from: loaded(), to: loaded(), store: store, level: level)
    #expect(reload.summary == "nothing changes")
    #expect(store.state.withLock { $0.sets.isEmpty })
  }

  @Test("Budgets and log level take effect") func live() throws {
    let reload = try Reload(
      from: loaded(), to: loaded([.hostBudget: "2GiB", .logLevel: "debug"]), store: store, level: level)
    #expect(reload.summary == "now host_budget 2 GiB, log_level debug")
    #expect(store.state.withLock { $0.sets } == [SetRequest(hostBudgetBytes: 2 << 30)])
    #expect(level.current == .debug)
  }

  @Test("What `tierctl set` changed becomes what is configured") func setMeanwhile() throws {
    let before = try loaded()
    store.state.withLock { state in
      for index in state.status.tiers.indices where state.status.tiers[index].name == "host" {
        state.status.tiers[index].budgetBytes = 1 << 20
      }
    }
    _ = try Reload(from: before, to: before, store: store, level: level)
    #expect(store.state.withLock { $0.sets } == [SetRequest(hostBudgetBytes: 1 << 30)])
  }

  @Test("What the store refuses changes nothing else either") func refused() throws {
    store.state.withLock { $0.setFault = .conflict("the open sequences need at least 9 MiB") }
    let error = #expect(throws: ControlError.self) {
      try Reload(from: loaded(), to: loaded([.hostBudget: "8MiB", .logLevel: "debug"]), store: store, level: level)
    }
    #expect(error?.message == "the open sequences need at least 9 MiB")
    #expect(level.current == .info)
  }

  @Test(
    "What cannot change while it runs is named",
    arguments: [
      (Setting.runtimeDirectory, "/r2"), (.stateDirectory, "/s2"), (.device, "none"), (.emulatedLink, "1GiB/s"),
      (.drainDeadline, "10s"),
    ])
  func needsRestart(_ setting: Setting, _ text: String) throws {
    let reload = try Reload(from: loaded(), to: loaded([setting: text]), store: store, level: level)
    #expect(reload.needsRestart.contains(setting))
    #expect(reload.summary.contains("takes effect with a restart: "))
    #expect(store.state.withLock { $0.sets.isEmpty })
  }

  @Test("Tenants take effect, and what `tierctl set` gave them is undone") func tenants() throws {
    let text = "{team: {uids: [1001, 1002], host_guarantee: 512MiB, host_quota: 2GiB, connections: 16}}"
    let file = try loaded([.tenants: text])
    store.state.withLock { $0.status.tenantTable = Samples.table }
    #expect(try Reload(from: loaded(), to: file, store: store, level: level).summary == "nothing changes")
    store.state.withLock { $0.status.tenantTable.tenants[0].limits.hostQuotaBytes = nil }
    #expect(try Reload(from: file, to: file, store: store, level: level).summary == "now tenants")
    #expect(store.state.withLock { $0.sets } == [SetRequest(tenants: Samples.table)])
    _ = try Reload(from: file, to: loaded(), store: store, level: level)
    #expect(store.state.withLock { $0.sets.last?.tenants } == TenantTable())
  }

  @Test("A disk tier neither comes nor goes") func diskTier() throws {
    let reload = try Reload(from: loaded(), to: loaded([.diskBudget: "0"]), store: store, level: level)
    #expect(reload.needsRestart == [.diskBudget])
    #expect(store.state.withLock { $0.sets.isEmpty })
  }
}

@Suite struct DaemonLogTests {
  @Test("A line is one line, its fields sorted and quoted where they must be") func line() {
    let line = DaemonLogHandler.line("a\nb\u{1B}[2J", ["z": "1", "b": "two words", "a": "say \"x\"", "e": ""])
    #expect(line == "a b [2J a=\"say \\\"x\\\"\" b=\"two words\" e=\"\" z=1")
  }

  @Test("The level is the process's, and a part may want more") func levels() {
    let level = LogLevel("info")
    var handler = DaemonLogHandler(level, isJournal: false)
    #expect(handler.logLevel == .info)
    level.set("debug")
    #expect(handler.logLevel == .debug)
    handler.logLevel = .warning
    #expect(handler.logLevel == .warning)
    level.set("error")
    #expect(handler.logLevel == .error)
    level.set("no such level")
    #expect(level.current == .error)
  }

  @Test("The journal is told by the stream standard error is") func journal() {
    var status = stat()
    fstat(STDERR_FILENO, &status)
    #expect(DaemonLogHandler.isJournal("\(status.st_dev):\(status.st_ino)"))
    #expect(!DaemonLogHandler.isJournal("\(status.st_dev):\(status.st_ino + 1)"))
    #expect(!DaemonLogHandler.isJournal(nil))
  }
}
