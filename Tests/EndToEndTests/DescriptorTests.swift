import Foundation
import Testing

/// More connections than the daemon may have files open.
@Suite(.serialized) struct DescriptorTests {
  let home: Workspace

  init() throws { home = try Workspace() }

  private static let limit = 64

  private func start() throws -> ChildProcess {
    let place = try home.makeDirectory("daemon")
    let daemon = try ChildProcess(
      "/bin/sh",
      [
        "-c", "ulimit -n \(Self.limit); exec \"$@\"", "sh", try Programs.path(of: "tierd"), "--runtime-dir",
        place + "/run", "--state-dir", place + "/state", "--host-budget", "64MiB", "--disk-budget", "0",
      ], in: home)
    try #require(eventually(seconds: 10) { access(place + "/run/control.sock", F_OK) == 0 }, "\(daemon.error)")
    return daemon
  }

  /// User and system time it has had, in ticks of 10 ms.
  private func ticks(_ daemon: ChildProcess) throws -> Int {
    let text = try String(contentsOfFile: "/proc/\(daemon.pid)/stat", encoding: .utf8)
    let fields = text.split(separator: ")").last!.split(separator: " ")
    return Int(fields[11])! + Int(fields[12])!
  }

  @Test("It turns them away with the limit's name, waits without spinning, and serves who is there and who comes later")
  func runOut() throws {
    let daemon = try start()
    let socket = home.path + "/daemon/run/worker.sock"
    let run = try ReferenceRun.shared.get()
    #expect(try Evaluation(run.start(.socket(socket), in: home)).isIdentical(to: run.result))
    let before = try ticks(daemon)
    var crowd: [RawClient] = []
    let startedAt = ContinuousClock.now
    for _ in 0..<2 * Self.limit { if let client = try? RawClient(socket) { crowd.append(client) } }
    #expect(
      eventually(seconds: 5) { daemon.error.contains("out of file descriptors: a worker is turned away") },
      "\(daemon.error)")
    // Those who got in say nothing, and are sent away after five seconds: till then nothing is there to do.
    while ContinuousClock.now - startedAt < .seconds(2) { usleep(50_000) }
    #expect(try ticks(daemon) - before < 50, "of 200 ticks")
    crowd = []
    #expect(try Evaluation(run.start(.socket(socket), in: home)).isIdentical(to: run.result))
    daemon.send(SIGTERM)
    #expect(try daemon.wait(seconds: 10).ending == .exited(0))
  }
}
