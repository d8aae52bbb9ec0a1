import ControlAPI
import Foundation
import Glibc
import Testing

/// A model file that becomes another, shorter or none while it is read: one line, and not a bit of two models mixed.
@Suite(.serialized) struct ModelChangeTests {
  let home: Workspace
  let model: String

  enum Change: CaseIterable {
    case replaced, gone
  }

  init() throws {
    home = try Workspace()
    model = home.path + "/model.gguf"
    try FileManager.default.createSymbolicLink(atPath: model, withDestinationPath: try RealModel.path())
  }

  /// Slow and small, so that there is much left to read when the file changes.
  private func makeDaemon(_ weights: String) throws -> Daemon {
    let (device, host) = weights == "managed" ? ("48MiB", "64MiB") : ("4MiB", "4MiB")
    return try Daemon("daemon", .init(device: device, host: host, link: "32MiB/s"), in: home)
  }

  private func start(_ weights: String, _ daemon: Daemon) throws -> ChildProcess {
    let flags = ["--ordered", "--prefill-chunk-size", "256", "--weights", weights]
    return try Worker.eval(model, tokens: Tokens.real(2048, in: home), .daemon(daemon), flags, in: home)
  }

  /// The prompt's first blocks are there: the weights were loaded, most of the chunks were not read yet.
  private func waitForTheFirstChunk(_ worker: ChildProcess, _ weights: String, _ daemon: Daemon) throws {
    // Shards of the weights are born before the prompt's blocks: 30 layers and 7 pieces of the head.
    let shards = weights == "managed" ? 37 : 0
    let isReading = try eventually(seconds: 30) {
      guard worker.isRunning else { return true }
      return try daemon.status().moves.filter { $0.from == "worker" }.reduce(0) { $0 + $1.blocks } > shards
    }
    #expect(isReading && worker.isRunning, "\(worker.error)")
  }

  private func expectAnotherRunIsRight(_ daemon: Daemon) throws {
    #expect(try eventually(seconds: 10) { try daemon.status().sessions == 0 })
    let reference = try ReferenceRun.shared.get()
    #expect(try Evaluation(reference.start(.daemon(daemon), in: home)).isIdentical(to: reference.result))
  }

  @Test(
    "Replaced or removed while it is read, weights private or managed", arguments: Change.allCases,
    ["private", "managed"])
  func changed(_ change: Change, weights: String) throws {
    let daemon = try makeDaemon(weights)
    let worker = try start(weights, daemon)
    try waitForTheFirstChunk(worker, weights, daemon)
    try FileManager.default.removeItem(atPath: model)
    if change == .replaced {
      try FileManager.default.copyItem(atPath: Sources.tinyModel + "/model.safetensors", toPath: model)
    }
    let outcome = try worker.wait(seconds: Worker.seconds)
    switch change {
    case .replaced: expectRefusal(outcome, 78, naming: model, "changed while it was in use")
    case .gone: expectRefusal(outcome, 74, naming: model)
    }
    try expectAnotherRunIsRight(daemon)
  }

  @Test("Cut short while it is read, weights private or managed", arguments: ["private", "managed"])
  func shortened(weights: String) throws {
    try FileManager.default.removeItem(atPath: model)
    try FileManager.default.copyItem(atPath: try RealModel.path(), toPath: model)
    let daemon = try makeDaemon(weights)
    let worker = try start(weights, daemon)
    try waitForTheFirstChunk(worker, weights, daemon)
    #expect(truncate(model, 1 << 20) == 0)
    let outcome = try worker.wait(seconds: Worker.seconds)
    // Whether it is read first or looked at first, it is one line.
    expectRefusal(outcome, 78, naming: model, "while it was in use")
    try expectAnotherRunIsRight(daemon)
  }
}
