import ControlAPI
import Foundation
import Testing

/// Weights under the store's budgets, beside the KV: nothing but memory changes.
@Suite(.serialized) struct WeightsTests {
  let home: Workspace
  let run: ReferenceRun

  init() throws {
    home = try Workspace()
    run = try ReferenceRun.shared.get()
  }

  /// SmolLM2's weights take 257 MiB in bf16: far more than both tiers.
  @Test("Managed weights that do not fit, beside KV that does not fit: the same bits")
  func managed() throws {
    let daemon = try Daemon("daemon", .init(device: "48MiB", host: "64MiB"), in: home)
    let result = try Evaluation(run.start(.daemon(daemon), ["--weights", "managed"], in: home))
    #expect(result.isIdentical(to: run.result))
    for (tier, budget) in result.tiers.budgetBytes {
      #expect(result.tiers.peakBytes[tier, default: .max] <= budget, "the peak of \(tier) is beyond its budget")
    }
    let status = try daemon.status()
    #expect(status.sessions == 0 && status.leases == 0)
  }

  @Test("Two workers on one model share its weights, and both are right")
  func shared() throws {
    let daemon = try Daemon("daemon", .init(device: "512MiB", host: "512MiB"), in: home)
    let workers = try (0..<2).map { _ in try run.start(.daemon(daemon), ["--weights", "managed"], in: home) }
    for worker in workers { #expect(try Evaluation(worker).isIdentical(to: run.result)) }
    // 30 layers and 7 pieces of the head, and the prompt's 120 blocks, once each: the first seal wins.
    let born = try daemon.status().moves.filter { $0.from == "worker" }.reduce(0) { $0 + $1.blocks }
    #expect(born == 30 + 7 + 120)
  }

  @Test("By default weights are in the store where it has room, else in the worker, which says so")
  func auto() throws {
    let roomy = try Daemon("roomy", .init(device: "48MiB", host: "64MiB"), in: home)
    #expect(try Evaluation(run.start(.daemon(roomy), ["--weights", "auto"], in: home)).isIdentical(to: run.result))
    let born = try roomy.status().moves.filter { $0.from == "worker" }.reduce(0) { $0 + $1.blocks }
    #expect(born > 120, "weights were sealed, not KV alone")

    // Room for the KV's least, not for two layers of weights beside it.
    let tight = try Daemon("tight", .init(device: "12MiB", host: "16MiB"), in: home)
    let worker = try run.start(.daemon(tight), ["--weights", "auto"], in: home)
    let outcome = try worker.wait(seconds: Worker.seconds)
    try #require(outcome.ending == .exited(0), "\(outcome.error)")
    #expect(outcome.error.contains("the weights stay in this process: "))
    let strict = try run.start(.daemon(tight), ["--weights", "managed"], in: home).wait(seconds: Worker.seconds)
    #expect(strict.ending == .exited(78))
    #expect(strict.error.contains("device budget"))
  }
}
