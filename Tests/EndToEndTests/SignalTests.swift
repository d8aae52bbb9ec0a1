import Foundation
import Testing

/// Ctrl-C and its like end everything promptly, and leave nothing behind.
@Suite(.serialized) struct SignalTests {
  let home: Workspace
  let model: String
  let tokens: String

  init() throws {
    home = try Workspace()
    model = try RealModel.path()
    tokens = try Tokens.real(2048, in: home)
  }

  /// A store too small and too slow for a run to end before it is stopped.
  private static let slow = ["--device", "emulated", "--device-budget", "4MiB", "--host-budget", "4MiB"]
  private static let spilling = slow + ["--disk-budget", "256MiB", "--emulated-link", "32MiB/s"]

  @Test("An embedded store's scratch directory goes with its worker", arguments: [SIGINT, SIGTERM, SIGHUP])
  func embedded(signal: Int32) throws {
    let worker = try Worker.eval(
      model, tokens: tokens, .embedded(Self.spilling), ["--prefill-chunk-size", "256"], in: home)
    let spills = eventually(seconds: 20) { !spillFiles.isEmpty || !worker.isRunning }
    #expect(spills && worker.isRunning, "\(worker.error)")
    worker.send(signal)
    let outcome = try worker.wait(seconds: 3)
    #expect(outcome.ending == .killed(bySignal: signal))
    #expect(outcome.output.isEmpty && outcome.error.isEmpty)
    #expect(home.leftovers.isEmpty)
  }

  private var spillFiles: [String] {
    guard let scratch = home.leftovers.first else { return [] }
    let files = try? FileManager.default.contentsOfDirectory(atPath: "\(home.temporary)/\(scratch)/spill")
    return (files ?? []).filter { $0.contains("segment") || $0.hasSuffix(".seg") }
  }

  @Test("A run through the daemon ends, and the daemon goes on", arguments: [SIGINT, SIGTERM])
  func throughTheDaemon(signal: Int32) throws {
    let daemon = try Daemon("daemon", .init(device: "4MiB", host: "4MiB", link: "32MiB/s"), in: home)
    let worker = try Worker.eval(model, tokens: tokens, .daemon(daemon), ["--prefill-chunk-size", "256"], in: home)
    try daemon.waitForBirths(30, from: worker)
    worker.send(signal)
    #expect(try worker.wait(seconds: 3).ending == .killed(bySignal: signal))
    #expect(try eventually(seconds: 2) { try daemon.sessions().isEmpty })
    #expect(try daemon.stop().ending == .exited(0))
  }

  @Test("A daemon told to stop exits 0 with its sockets gone, and its worker says why it ends")
  func daemon() throws {
    let daemon = try Daemon("daemon", .init(device: "4MiB", host: "4MiB", link: "32MiB/s"), in: home)
    let worker = try Worker.eval(model, tokens: tokens, .daemon(daemon), ["--prefill-chunk-size", "256"], in: home)
    try daemon.waitForBirths(30, from: worker)
    #expect(try daemon.stop().ending == .exited(0))
    #expect(access(daemon.workerSocket, F_OK) != 0 && access(daemon.controlSocket, F_OK) != 0)
    expectRefusal(try worker.wait(seconds: 3), 69, naming: "daemon")
  }

  enum Moment: CaseIterable {
    case atOnce
    case whileReading
  }

  @Test("The demo, interrupted as by Ctrl-C, leaves no process and no file", arguments: Moment.allCases)
  func demo(_ moment: Moment) throws {
    let text = try home.write(
      "text.txt", Data((0..<500).map { "Line \($0) of a long text.\n" }.joined().utf8))
    let programs = try Programs.path(of: "tierd").split(separator: "/").dropLast().joined(separator: "/")
    let demo = try ChildProcess(
      "/bin/bash", [Sources.demo], in: home,
      environment: ["MODEL": model, "BIN": "/" + programs, "TEXT": text], leadsGroup: true)
    let isThere = eventually(seconds: 20) {
      moment == .atOnce ? !home.leftovers.isEmpty : home.processes().contains { Self.name(of: $0) == "tier-worker" }
    }
    #expect(isThere && demo.isRunning, "\(demo.error)")
    if moment == .whileReading { usleep(500_000) }
    demo.send(SIGINT, toGroup: true)
    let outcome = try demo.wait(seconds: 15)
    #expect(outcome.ending == .exited(130))
    #expect(outcome.error == "demo: stopped\n")
    #expect(home.processes().isEmpty)
    #expect(home.leftovers.isEmpty)
  }

  private static func name(of pid: pid_t) -> String {
    let text = FileManager.default.contents(atPath: "/proc/\(pid)/comm").map { String(decoding: $0, as: UTF8.self) }
    return text?.trimmingCharacters(in: .whitespacesAndNewlines) ?? ""
  }
}
