import ControlAPI
import Foundation
import Testing

/// A segment whose recovery takes the daemon down.
@Suite(.serialized) struct RecoveryDeathTests {
  let home: Workspace

  init() throws { home = try Workspace() }

  private static let budgets = Daemon.Budgets(device: "4MiB", host: "4MiB", disk: "64MiB")

  private var segments: [String] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: home.path + "/daemon/state/spill")) ?? []
    return names.filter { $0.hasSuffix(".segment") }.sorted()
  }

  /// How often of two starts the daemon dies.
  private func deaths(_ flags: [String]) throws -> Int {
    try (0..<2).count { _ in
      let daemon = try Daemon.start("daemon", Daemon.flags(Self.budgets) + flags, in: home)
      guard case .killed = try daemon.wait(seconds: 10).ending else { return false }
      return true
    }
  }

  @Test("The third start sets it aside, says so and serves") func thirdStart() throws {
    let run = try ReferenceRun.shared.get()
    let first = try Daemon("daemon", Self.budgets, in: home)
    #expect(try Evaluation(run.start(.daemon(first), in: home)).isIdentical(to: run.result))
    #expect(try first.stop().ending == .exited(0))
    let segment = try #require(segments.first)
    let number = try #require(UInt64(segment.dropLast(".segment".count), radix: 16))
    let flags = ["--test-die-in-segment", "\(number)"]
    #expect(try deaths(flags) == 2)
    let third = try Daemon("daemon", Self.budgets, flags, in: home)
    #expect(third.process.error.contains("2 starts crashed in the recovery of a segment"), "\(third.process.error)")
    #expect(third.process.error.contains(segment))
    // It is where it was; what was in it is computed again.
    #expect(segments.contains(segment))
    #expect(try Evaluation(run.start(.daemon(third), in: home)).isIdentical(to: run.result))
    #expect(try third.stop().ending == .exited(0))
    // And stays aside.
    let fourth = try Daemon("daemon", Self.budgets, flags, in: home)
    #expect(try fourth.status().spill?.health == "ok")
    #expect(try fourth.stop().ending == .exited(0))
  }

  @Test("A daemon that is killed while it starts blames no segment") func killed() throws {
    let run = try ReferenceRun.shared.get()
    let first = try Daemon("daemon", Self.budgets, in: home)
    _ = try Evaluation(run.start(.daemon(first), in: home))
    first.process.send(SIGKILL)
    try first.process.wait(seconds: 5)
    for _ in 0..<4 {
      let next = try Daemon.start("daemon", Daemon.flags(Self.budgets), in: home)
      usleep(UInt32.random(in: 1000...30_000))
      next.send(SIGKILL)
      try next.wait(seconds: 5)
    }
    #expect(access(home.path + "/daemon/state/spill/deaths", F_OK) != 0)
    let last = try Daemon("daemon", Self.budgets, in: home)
    #expect(!last.process.error.contains("set aside"), "\(last.process.error)")
    #expect(try Evaluation(run.start(.daemon(last), in: home)).isIdentical(to: run.result))
  }
}
