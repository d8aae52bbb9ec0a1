import ControlAPI
import Foundation
import Testing

/// The daemon under a service manager: what it says when, the socket it is passed, reloads, the watchdog, an orderly end.
@Suite(.serialized) struct ServiceTests {
  let home: Workspace

  init() throws { home = try Workspace() }

  private static let small = "host_budget: 16MiB\ndisk_budget: 64MiB\n"

  @Test("Ready once both sockets answer; stopping, and what is left, when told to stop") func readyAndStopping() throws
  {
    let daemon = try ManagedDaemon(.nothing, configuration: Self.small, in: home)
    #expect(daemon.says("READY=1"), "\(daemon.process.error)")
    #expect(daemon.said.last == ["READY=1", "STATUS=serving"])
    #expect(try daemon.control("status").ending == .exited(0))
    #expect(access(daemon.workerSocket, F_OK) == 0)
    daemon.process.send(SIGTERM)
    #expect(daemon.says("STOPPING=1"))
    #expect(daemon.said.last?.contains("EXTEND_TIMEOUT_USEC=60000000") == true, "drain_deadline and 15 s")
    #expect(try daemon.process.wait(seconds: 10).ending == .exited(0))
    #expect(daemon.said.flatMap { $0 }.count { $0 == "READY=1" } == 1)
  }

  @Test("Workers connect to the socket that was passed, which outlives the daemon") func activation() throws {
    let daemon = try ManagedDaemon(.workerSocket(name: "worker"), configuration: Self.small, in: home)
    #expect(daemon.says("READY=1"), "\(daemon.process.error)")
    let result = try Worker.eval(
      Sources.tinyModel, tokens: Tokens.tiny(64, in: home), .socket(daemon.workerSocket), in: home
    ).wait(seconds: Worker.seconds)
    #expect(result.ending == .exited(0), "\(result.error)")
    daemon.process.send(SIGTERM)
    #expect(try daemon.process.wait(seconds: 10).ending == .exited(0))
    #expect(access(daemon.workerSocket, F_OK) == 0, "it is the manager's")
    #expect(access(daemon.controlSocket, F_OK) != 0, "it was the daemon's")
  }

  @Test("A socket unit that is wrong is named, and nothing is served") func wrongUnit() throws {
    let named = try ManagedDaemon(.workerSocket(name: "tierd.socket"), in: home)
    expectRefusal(try named.process.wait(seconds: 10), 78, naming: "tierd.socket", "FileDescriptorName=worker")
    let other = try Workspace()
    let stream = try ManagedDaemon(.stream, in: other)
    expectRefusal(try stream.process.wait(seconds: 10), 78, naming: "ListenSequentialPacket=")
    #expect(!stream.says("READY=1", seconds: 0))
  }

  @Test(
    "Variables that no service manager sets are named",
    arguments: [
      ["NOTIFY_SOCKET": "/nonexistent/notify"], ["WATCHDOG_USEC": "soon"],
    ])
  func wrongVariables(_ environment: [String: String]) throws {
    let daemon = try ManagedDaemon(.nothing, environment: environment, in: home)
    expectRefusal(try daemon.process.wait(seconds: 10), 78, naming: environment.keys.first!)
  }

  @Test("SIGHUP: budgets take effect, the rest is named; a bad file changes nothing and says so") func reload() throws {
    let daemon = try ManagedDaemon(.nothing, configuration: Self.small, in: home)
    #expect(daemon.says("READY=1"), "\(daemon.process.error)")
    try daemon.configure("host_budget: 32MiB\ndisk_budget: 64MiB\ndrain_deadline: 5s\n")
    daemon.process.send(SIGHUP)
    #expect(daemon.says("RELOADING=1"))
    #expect(daemon.says("READY=1"))
    #expect(
      daemon.said.last?.last
        == "STATUS=serving; reloaded: now host_budget 32 MiB; takes effect with a restart: drain_deadline")
    #expect(try hostBudget(daemon) == 32 << 20)
    try daemon.configure("host_bugdet: 64MiB\n")
    daemon.process.send(SIGHUP)
    #expect(daemon.says("RELOADING=1"))
    #expect(daemon.says("READY=1"))
    #expect(daemon.said.last?.last?.hasPrefix("STATUS=serving; not reloaded: ") == true)
    #expect(daemon.process.error.contains("did you mean 'host_budget'?"))
    #expect(try hostBudget(daemon) == 32 << 20)
    daemon.process.send(SIGTERM)
    #expect(try daemon.process.wait(seconds: 10).ending == .exited(0))
  }

  private func hostBudget(_ daemon: ManagedDaemon) throws -> Int? {
    let reply = try ControlJSON.decode(StatusReply.self, from: Data(daemon.control("--json", "status").output.utf8))
    return reply.tiers.first { $0.name == "host" }?.budgetBytes
  }

  @Test("Idle, it says that it is alive four times in the watchdog's interval") func watchdog() throws {
    let daemon = try ManagedDaemon(
      .nothing, configuration: Self.small, environment: ["WATCHDOG_USEC": "1000000"], in: home)
    #expect(daemon.says("READY=1"), "\(daemon.process.error)")
    let start = ContinuousClock.now
    for _ in 0..<8 { #expect(daemon.says("WATCHDOG=1", seconds: 2)) }
    #expect(ContinuousClock.now - start > .seconds(1), "not in a tight loop")
    let lines = daemon.said.flatMap { $0 }
    #expect(lines.count { $0.hasPrefix("STATUS=serving 0 workers; host ") } == 1, "again when it changes")
  }

  @Test("What another version stored is let go") func foreignMemory() throws {
    let daemon = try ManagedDaemon(.memory(name: "host-0"), configuration: Self.small, in: home)
    #expect(daemon.says("READY=1"), "\(daemon.process.error)")
    #expect(daemon.said.contains(["FDSTOREREMOVE=1", "FDNAME=host-0"]))
  }
}
