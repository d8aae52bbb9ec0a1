import CUDADriver
import ControlAPI
import ControlClient
import FoundationEssentials
import Glibc
import TierCore
import TierEngine
import TierWire

/// A tierd of its own on the GPU, and a worker that has it move blocks. The worker computes nothing: what is measured is
/// how fast blocks become resident, or leave.
final class DaemonCopies {
  private let process: ChildProcess
  private let place: String
  private let control: ControlClient
  private let blockBytes: Int
  private let blocks: Int
  private let importer: CUDAImporter
  private let streaming: BlockWorker

  /// One layer's worth of what moves: a worker asks for a layer at a time.
  private static let layers = 8
  private static let startMs: UInt64 = 20_000

  init(_ bench: GPUBench, blockBytes: Int) throws {
    self.blockBytes = blockBytes
    blocks = bench.blockBytesInAll / blockBytes / Self.layers
    importer = CUDAImporter(driver: bench.cudaLibrary)
    place = FileManager.default.temporaryDirectory.appending(path: "tier-gpu-check-\(getpid())").path
    try FileManager.default.createDirectory(
      atPath: place, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    control = ControlClient(socketPath: place + "/run/control.sock", timeoutMs: 10_000)
    let all = bench.blockBytesInAll
    process = try ChildProcess(
      bench.tierd,
      [
        "--runtime-dir", place + "/run", "--state-dir", place + "/state", "--device", "cuda:\(bench.ordinal)",
        "--cuda-library", bench.cudaLibrary, "--device-budget", "\(all + all / 2)", "--host-budget", "\(all * 3)",
        "--disk-budget", "0", "--log-level", "warning",
      ])
    let began = MonotonicClock.nowMs()
    while (try? control.get(.status, as: StatusReply.self)) == nil {
      guard process.poll(), MonotonicClock.nowMs() - began < Self.startMs else {
        throw CheckFault("\(bench.tierd) did not start")
      }
      usleep(20_000)
    }
    // What streams is on the host: born while the device tier is as small as it may be.
    streaming = try BlockWorker(
      socketPath: place + "/run/worker.sock", importer: importer, family: 1, blockBytes: blockBytes,
      layers: Self.layers, blocks: blocks)
    try setDevice(bytes: 64 << 20)
    try streaming.bear()
  }

  func end() {
    streaming.end()
    process.kill()
    try? FileManager.default.removeItem(atPath: place)
  }

  private func setDevice(bytes: Int) throws {
    _ = try control.post(.set, SetRequest(deviceBudgetBytes: bytes), as: SetReply.self)
  }

  private func statistics() throws -> StoreStatistics { try streaming.statistics() }

  /// GB/s of blocks that are on the host and become resident, one pass over all of them after another.
  func hostToDevice() throws -> Double {
    try setDevice(bytes: 512 << 20)
    try streaming.pass()
    return try speed { try streaming.pass() }
  }

  /// GB/s of what `body` had moved, by the store's own count.
  private func speed(_ body: () throws -> Void) throws -> Double {
    let before = try statistics()
    let began = MonotonicClock.nowNs()
    try body()
    let ended = MonotonicClock.nowNs()
    let after = try statistics()
    let bytes =
      after.hostToDevice.bytes - before.hostToDevice.bytes + after.deviceToHost.bytes - before.deviceToHost.bytes
    return Double(bytes) / Double(ended - began)
  }

  /// Blocks of another worker on the device that are nowhere else: they have to be copied before they may leave.
  private func fillDevice(family: UInt64) throws {
    try setDevice(bytes: blockBytes * blocks * Self.layers * 3 / 2)
    let filler = try BlockWorker(
      socketPath: place + "/run/worker.sock", importer: importer, family: family, blockBytes: blockBytes,
      layers: Self.layers, blocks: blocks / 2)
    try filler.bear()
    filler.end()
  }

  /// GB/s of blocks that leave the device for the host while the tier is made smaller.
  func deviceToHost() throws -> Double {
    try fillDevice(family: 100)
    return try speed { try shrink() }
  }

  private func shrink() throws {
    try setDevice(bytes: 512 << 20)
    let began = MonotonicClock.nowMs()
    while try statistics().device.usedBytes > 512 << 20 {
      guard MonotonicClock.nowMs() - began < 20_000 else { throw CheckFault("the device tier did not shrink in 20 s") }
      usleep(1000)
    }
  }

  /// GB/s of both ways together, while one worker's blocks stream in and another's leave.
  func bothWays() throws -> Double {
    try fillDevice(family: 200)
    return try speed {
      try setDevice(bytes: 512 << 20)
      try streaming.pass()
    }
  }

  /// From the acquire of one block that is on the host alone to its lease.
  func latenciesUs(_ count: Int) throws -> Percentiles {
    try setDevice(bytes: 64 << 20)
    try streaming.pass()
    return Percentiles(try streaming.singleLatenciesUs(count))
  }
}
