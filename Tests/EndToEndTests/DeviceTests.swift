import CUDADriver
import ControlAPI
import Foundation
import Testing
import TierCore
import TierTesting
import TierWire

/// A daemon whose device tier is CUDA memory, over the driver for tests: real processes that import it.
@Suite(.serialized) struct DeviceTests {
  private let home: Workspace

  init() throws { home = try Workspace() }

  private func flags(_ device: String, _ driver: String) -> [String] {
    [
      "--device", device, "--cuda-library", driver, "--device-budget", "64MiB", "--host-budget", "64MiB",
      "--disk-budget", "0",
    ]
  }

  private func daemon(_ environment: [String: String] = [:]) throws -> ChildProcess {
    let place = try home.makeDirectory("daemon")
    let process = try ChildProcess(
      Programs.path(of: "tierd"),
      ["--runtime-dir", place + "/run", "--state-dir", place + "/state"]
        + flags("cuda:0", Programs.path(of: "libFakeCUDADriver.so")), in: home, environment: environment)
    let isReady = eventually(seconds: 10) { access(place + "/run/control.sock", F_OK) == 0 || !process.isRunning }
    #expect(isReady && process.isRunning, "\(process.error)")
    return process
  }

  private var socket: String { home.path + "/daemon/run/worker.sock" }

  /// Reads a made-up prompt of 6 MiB a layer, and checks every byte it finds on the device.
  private func read(_ path: String) throws -> ConformanceReader.Outcome {
    let layout = BlockLayout(element: .bf16, kvHeads: 2, headDim: 32, blockTokens: 1024)!
    let plan = SequencePlan(
      sequence: SequenceID(1), layout: layout, layers: 2, chunkBlocks: 2, totalBlocks: 24, stagingSlots: 4,
      ringSlots: 2, ordered: false)
    let importer = CUDAImporter(driver: try Programs.path(of: "libFakeCUDADriver.so"))
    let session = try WorkerClient.connect(path: path, name: "test", importer: importer)
    defer { session.end() }
    return try ConformanceReader(session, plan: plan, family: 1).read()
  }

  @Test("Another process imports the device's memory and finds every byte") func importedByAWorker() throws {
    let process = try daemon()
    let outcome = try read(socket)
    #expect(outcome.lost == 0 && outcome.used > 0)
    let control = try ChildProcess(
      Programs.path(of: "tierctl"), ["--socket", home.path + "/daemon/run/control.sock", "status"], in: home)
    #expect(try control.wait(seconds: 10).output.contains("Driver for tests 0 at ffff:f0:1f.0"))
    process.send(SIGTERM)
    #expect(try process.wait(seconds: 15).ending == .exited(0))
  }

  @Test("A worker that computes on the CPU says so in one line") func workerOfTheCPU() throws {
    let process = try daemon()
    let worker = try ChildProcess(
      Programs.path(of: "tier-worker"),
      [
        "eval", "--model", Sources.tinyModel, "--tokens", try home.write("tokens.json", Data("[1,2,3,4]".utf8)),
        "--socket", socket, "--block-tokens", "16", "--prefill-chunk-size", "16",
      ], in: home)
    let outcome = try worker.wait(seconds: 20)
    #expect(outcome.ending != .exited(0) && outcome.error.contains("--device none"), "\(outcome.error)")
    #expect(process.isRunning)
  }

  @Test("A device that is lost in mid-work ends the daemon with 74, and its worker with an error") func lostDevice()
    throws
  {
    let process = try daemon(["FAKE_CUDA_FAIL": "cuEventQuery:40:999"])
    #expect(throws: (any Error).self) { try read(socket) }
    let outcome = try process.wait(seconds: 30)
    #expect(outcome.ending == .exited(74), "\(outcome.error)")
    #expect(outcome.error.contains("the device is lost"))
  }

  @Test("A GPU that is not there is refused by name") func noSuchDevice() throws {
    let place = try home.makeDirectory("none")
    let outcome = try ChildProcess(
      Programs.path(of: "tierd"),
      ["--runtime-dir", place + "/run", "--state-dir", place + "/state", "--log-level", "error"]
        + flags("cuda:9", Programs.path(of: "libFakeCUDADriver.so")), in: home
    ).wait(seconds: 10)
    expectRefusal(outcome, 78, naming: "cuda:9", "cuda:0")
  }

  @Test("Without a driver the host is the compute tier, and the log says why") func noDriver() throws {
    let daemon = try Daemon(
      "driverless", .ample, ["--device", "cuda:0", "--cuda-library", "libno-such-driver.so.1"], in: home)
    let status = try daemon.status()
    #expect(status.device == nil && !status.tiers.contains { $0.name == "device" })
    #expect(daemon.process.error.contains("libno-such-driver.so.1"))
    try daemon.stop()
  }
}
