import Glibc
import TierCore

/// How often a block's bytes move down in its whole life: born, read by every chunk after it, idle, sent to disk, read again
/// by the same prompt's second run, and sent away once more.
struct LifeGroup: BenchmarkGroup {
  static let name = "life"
  static let summary = "moves down of a block in its whole life, with 25 % of the KV on the device and 25 % on the host"
  static let needs: [BenchmarkNeed] = [.model]

  private static let (layers, blockTokens, chunkTokens) = (30, 256, 512)

  func run(_ bench: Bench) throws -> [Figure] {
    let prompt = try Prompt(bench, tokens: nil)
    let blocks = prompt.tokenCount / Self.blockTokens * Self.layers
    let quarter = blocks * (192 << 10) / 4
    let daemon = try DaemonProcess(
      bench, DaemonProcess.Budgets(deviceBytes: quarter, hostBytes: quarter, diskBytes: 2 << 30))
    defer { withExtendedLifetime(daemon) {} }
    for reading in ["first", "second"] {
      bench.progress.show("\(reading) reading")
      let run = try WorkerRun(
        bench,
        [
          "run", "--socket", daemon.socketPath, "--prompt-file", prompt.textPath, "--raw", "--max-new-tokens", "1",
          "--dtype", "bf16", "--prefill-chunk-size", "\(Self.chunkTokens)", "--block-tokens", "\(Self.blockTokens)",
        ], sharesPrefix: reading == "second")
      guard run.report.tiers.lost == 0 else { throw BenchFault.failed("\(run.report.tiers.lost) blocks were lost") }
      bench.progress.show("\(reading) reading: everything to disk")
      _ = try daemon.control(["evict", "--unplanned", "--to", "disk"])
      try waitUntilOnDisk(daemon)
    }
    let counted = try daemon.statistics()
    let born = counted.bornOnDevice.blocks + counted.bornOnHost.blocks
    guard born == blocks else { throw BenchFault.failed("\(born) blocks were born, the prompt has \(blocks)") }
    return [
      perBlock("device_to_host_per_block", "device→host moves per block", counted.deviceToHost, blocks),
      perBlock("host_to_disk_per_block", "host→disk writes per block", counted.hostToDisk, blocks),
      Figure("blocks", "blocks, each born once", .blocks, value: Double(born)),
      Figure("born_on_device_blocks", "  born on the device", .blocks, value: Double(counted.bornOnDevice.blocks)),
      Figure(
        "host_to_device_blocks", "  moved from host to device", .blocks, value: Double(counted.hostToDevice.blocks)),
      Figure("disk_to_host_blocks", "  moved from disk to host", .blocks, value: Double(counted.diskToHost.blocks)),
    ]
  }

  private func perBlock(_ name: String, _ title: String, _ moves: StoreStatistics.Moves, _ blocks: Int) -> Figure {
    Figure(name, title, .ratio, value: Double(moves.blocks) / Double(blocks), target: .atMost(1))
  }

  /// What is only in memory is written in the background.
  private func waitUntilOnDisk(_ daemon: DaemonProcess) throws {
    let watch = Stopwatch()
    var last = try daemon.statistics()
    while watch.seconds < 60 {
      usleep(500_000)
      let now = try daemon.statistics()
      if (now.hostToDisk, now.deviceToHost) == (last.hostToDisk, last.deviceToHost) { return }
      last = now
    }
    throw BenchFault.failed("blocks were still being written after 60 s")
  }
}
