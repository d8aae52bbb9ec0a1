import ControlAPI
import Foundation
import Testing

/// kill -9 in the middle of a prefill, of either side: what is left goes on, and nothing wrong is ever computed.
@Suite(.serialized) struct KillTests {
  let home: Workspace
  let run: ReferenceRun

  /// Slow enough for a run to be caught in its middle.
  private static let scarce = Daemon.Budgets(device: "4MiB", host: "4MiB", link: "32MiB/s")

  init() throws {
    home = try Workspace()
    run = try ReferenceRun.shared.get()
  }

  @Test("A worker that is killed frees what it held at once, and the next one is right", arguments: [20, 60])
  func worker(afterBlocks blocks: Int) throws {
    let daemon = try Daemon("daemon", Self.scarce, in: home)
    let victim = try run.start(.daemon(daemon), in: home)
    try daemon.waitForBirths(blocks, from: victim)
    #expect(try daemon.sessions().map(\.pid) == [victim.pid])
    victim.send(SIGKILL)
    #expect(try victim.wait(seconds: 5).ending == .killed(bySignal: SIGKILL))
    let isFree = try eventually(seconds: 2) {
      let status = try daemon.status()
      // Staging counts as used and is neither kept nor ring.
      let host = try #require(status.tiers.first { $0.name == "host" })
      return status.sessions == 0 && status.sequences.open == 0 && status.leases == 0
        && status.tiers.allSatisfy { $0.ringBytes == 0 } && host.usedBytes == host.keptBytes
    }
    #expect(isFree)
    let next = try Evaluation(run.start(.daemon(daemon), in: home))
    #expect(next.isIdentical(to: run.result))
    #expect(next.tiers.lost == 0)
  }

  @Test("Where the daemon is killed the worker says so and ends; the daemon's next life serves the same bits")
  func daemon() throws {
    let daemon = try Daemon("daemon", Self.scarce, in: home)
    let worker = try run.start(.daemon(daemon), in: home)
    try daemon.waitForBirths(60, from: worker)
    daemon.process.send(SIGKILL)
    expectRefusal(try worker.wait(seconds: 5), 69, naming: "tier-worker: the daemon closed the connection")
    try daemon.process.wait(seconds: 5)

    let nextLife = try Daemon("daemon", Self.scarce, in: home)
    #expect(try Evaluation(run.start(.daemon(nextLife), in: home)).isIdentical(to: run.result))
    #expect(try nextLife.stop().ending == .exited(0))
  }

  private struct Answer: Decodable {
    let tokenIds: [UInt32]
    let logitsSha256: String
    let reconnects: Int
  }

  /// Reads 1,200 tokens and says eight.
  private func startAnswer(_ store: Worker.Store) throws -> ChildProcess {
    let text = (0..<110).map { "Line \($0) of a text that is read chunk by chunk.\n" }.joined()
    let prompt = try home.write("prompt.txt", Data(text.utf8))
    return try Worker.start(
      [
        "run", "--model", try RealModel.path(), "--prompt-file", prompt, "--raw", "--ordered", "--max-new-tokens", "8",
        "--prefill-chunk-size", "256", "--json",
      ] + store.flags, in: home)
  }

  private func answer(_ worker: ChildProcess) throws -> Answer {
    let outcome = try worker.wait(seconds: Worker.seconds)
    try #require(outcome.ending == .exited(0), "\(outcome.error)")
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(Answer.self, from: Data(outcome.output.utf8))
  }

  @Test("A run whose daemon is killed waits for the next one and answers with the same bits")
  func daemonUnderRun() throws {
    let undisturbed = try answer(startAnswer(.embedded([])))
    #expect(undisturbed.tokenIds.count == 8 && undisturbed.reconnects == 0)
    let daemon = try Daemon("daemon", Self.scarce, in: home)
    let worker = try startAnswer(.daemon(daemon))
    try daemon.waitForBirths(60, from: worker)
    daemon.process.send(SIGKILL)
    try daemon.process.wait(seconds: 5)
    #expect(worker.isRunning)
    let nextLife = try Daemon("daemon", Self.scarce, in: home)
    let disturbed = try answer(worker)
    #expect(disturbed.reconnects == 1)
    #expect(disturbed.tokenIds == undisturbed.tokenIds)
    #expect(disturbed.logitsSha256 == undisturbed.logitsSha256)
    #expect(worker.error.contains("the daemon is back after"))
    #expect(try nextLife.stop().ending == .exited(0))
  }
}

extension Daemon {
  /// Waits until a worker has handed over so many blocks more, and still runs.
  func waitForBirths(_ blocks: Int, from worker: ChildProcess) throws {
    let areBorn = try eventually(seconds: 20) {
      try status().moves.filter { $0.from == "worker" }.reduce(0) { $0 + $1.blocks } >= blocks || !worker.isRunning
    }
    guard areBorn, worker.isRunning else {
      throw NotReady(description: "the worker was not caught in its middle: \(worker.error)")
    }
  }
}
