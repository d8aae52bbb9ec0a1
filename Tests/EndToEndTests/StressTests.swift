import Foundation
import Testing

/// `tier-stress` in short: that it passes on this daemon, and that it would not pass on one that serves wrong bytes.
@Suite(.serialized) struct StressTests {
  let home: Workspace

  init() throws { home = try Workspace() }

  private func stress(_ arguments: [String]) throws -> (ending: ChildProcess.Ending, result: [String: Any]) {
    let outcome = try ChildProcess(Programs.path(of: "tier-stress"), arguments + ["--json"], in: home).wait(
      seconds: 120)
    let result = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any]
    return (outcome.ending, try #require(result, "no result: \(outcome.error)"))
  }

  private func expectPassed(_ arguments: [String]) throws -> [String: Any] {
    let (ending, result) = try stress(arguments)
    #expect(ending == .exited(0) && result["failures"] as? [String] == [])
    return result
  }

  @Test(
    "Workers that are killed, stopped and slow, under budgets that change: no wrong byte, nothing lost, nothing left")
  func everything() throws {
    let result = try expectPassed(["--profile", "ci", "--minutes", "0.1"])
    let verified = try #require(result["bytes_verified"] as? Int)
    #expect(verified > 1 << 20)
    #expect(home.leftovers.isEmpty)
  }

  @Test("A byte that is not what it must be is seen, and named")
  func wrongBytesAreSeen() throws {
    let (ending, result) = try stress(["--profile", "ci", "--minutes", "0.05", "--test-falsify-one-read-in", "200"])
    #expect(ending == .exited(70))
    let wrong = try #require(result["wrong_blocks"] as? Int)
    #expect(wrong > 0)
    #expect((result["failures"] as? [String] ?? []).contains { $0.hasPrefix("wrong bytes: block ") })
  }

  @Test("What killed workers held is free within 100 ms, and nothing adds up")
  func killedWorkers() throws {
    let result = try expectPassed(["--kill-workers", "20"])
    let pauses = try #require(result["pause_after_kill"] as? [String: Any])
    #expect(pauses["samples"] as? Int == 40, "twenty of them before anything is compared")
    let holding = try #require(result["kills_holding"] as? Int)
    #expect(holding > 0)
  }

  @Test("A daemon that is killed serves again what was durable")
  func killedDaemon() throws {
    let result = try expectPassed(["--kill-daemon", "2", "--minutes", "0.08"])
    #expect(result["daemon_kills"] as? Int == 2)
    let reconnects = try #require(result["reconnects"] as? Int)
    #expect(reconnects > 0)
  }

  @Test("A daemon whose memory is kept serves again all it had accepted")
  func keptMemory() throws {
    let result = try expectPassed(["--kill-daemon", "4", "--keep-memory", "--minutes", "0.08"])
    #expect(result["daemon_kills"] as? Int == 4)
    let reconnects = try #require(result["reconnects"] as? Int)
    #expect(reconnects > 0)
    #expect(result["accepted_lost_by_restart"] as? Int == 0)
  }

  @Test("Workers under a daemon that is killed, its memory kept, answer what they answer without one")
  func answersGoOn() throws {
    let result = try expectPassed([
      "--kill-daemon", "2", "--answers", try RealModel.path(), "--workers", "2",
    ])
    #expect(result["kills"] as? Int == 2 && result["wrong_answers"] as? Int == 0)
  }

  /// How long others wait is measured where the machine is quiet, and not here.
  @Test("Hostile clients: others are served right, the daemon hangs up where it must and keeps nothing")
  func hostileClients() throws {
    // As root its clients are other users: they are to reach the socket.
    #expect(chmod(home.path, 0o711) == 0)
    let (_, result) = try stress(["--hostile", "600"])
    let failures = (result["failures"] as? [String] ?? []).filter { !$0.contains("p99") }
    #expect(failures == [])
    let done = try #require(result["done"] as? [String: Any])
    #expect(done["conversations"] as? Int == 600)
    let served = try #require(result["sequences_meanwhile"] as? Int)
    #expect(served > 0)
  }
}
