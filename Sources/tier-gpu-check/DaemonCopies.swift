import CUDADriver
import ControlAPI
import ControlClient
import FoundationEssentials
import Glibc
import Synchronization
import TierCore
import TierEngine
import TierTesting
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
  /// Reads the store's counters, which costs it little.
  private let monitor: WorkerClient
  private var fills: UInt64 = 0

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
    monitor = try WorkerClient.connect(path: place + "/run/worker.sock", name: "tier-gpu-check", importer: importer)
    // What streams is on the host: born while the device tier is as small as it may be.
    streaming = try BlockWorker(
      socketPath: place + "/run/worker.sock", importer: importer, family: 1, blockBytes: blockBytes,
      layers: Self.layers, blocks: blocks)
    try setDevice(bytes: smallBytes)
    try streaming.bear()
    try waitUntilPinned()
  }

  /// Of the device tier: room for the ring alone, nearly; and for a ring that keeps the link busy.
  private var smallBytes: Int { max(64 << 20, 24 * blockBytes) }
  private var mediumBytes: Int { 512 << 20 }

  /// Host memory is brought in and registered while it is used already: what is measured is what comes after.
  private func waitUntilPinned() throws {
    var (last, still) = (-1, 0)
    let began = MonotonicClock.nowMs()
    while still < 5 {
      guard MonotonicClock.nowMs() - began < 30_000 else { throw CheckFault("the host tier is not pinned in 30 s") }
      usleep(100_000)
      let now: Int
      do throws(ControlClientError) {
        now = try control.get(.status, as: StatusReply.self).pools.reduce(0) { $0 + $1.registeredBytes }
      } catch { throw CheckFault("tierd does not say how much is pinned: \(error.message)") }
      still = now == last ? still + 1 : 0
      last = now
    }
    say("host memory registered with the device: \(last >> 20) MiB")
  }

  func end() {
    streaming.end()
    monitor.end()
    process.kill()
    try? FileManager.default.removeItem(atPath: place)
  }

  private func setDevice(bytes: Int) throws {
    _ = try control.post(.set, SetRequest(deviceBudgetBytes: bytes), as: SetReply.self)
  }

  /// What the store has counted of each way, and has on the device.
  private struct Counts {
    let atNs: UInt64
    let up: Int
    let down: Int
    let deviceBytes: Int
  }

  private func counts() throws -> Counts {
    let now = try monitor.statistics()
    return Counts(
      atNs: MonotonicClock.nowNs(), up: now.hostToDevice.bytes, down: now.deviceToHost.bytes,
      deviceBytes: now.device.usedBytes)
  }

  /// GB/s between two readings.
  private func speed(_ before: Counts, _ after: Counts, up: Bool, down: Bool) -> Double {
    let bytes = (up ? after.up - before.up : 0) + (down ? after.down - before.down : 0)
    return Double(bytes) / Double(after.atNs - before.atNs)
  }

  /// GB/s of blocks that are on the host and become resident, one pass over all of them after another.
  func hostToDevice() throws -> Double {
    try setDevice(bytes: mediumBytes)
    try streaming.pass()
    let before = try counts()
    for _ in 0..<4 { try streaming.pass() }
    return speed(before, try counts(), up: true, down: false)
  }

  /// Blocks of another worker on the device that are nowhere else: they have to be copied before they may leave.
  private func fillDevice() throws {
    fills += 1
    try setDevice(bytes: blockBytes * blocks * Self.layers * 3 / 2)
    let filler = try BlockWorker(
      socketPath: place + "/run/worker.sock", importer: importer, family: 100 + fills, blockBytes: blockBytes,
      layers: Self.layers, blocks: blocks)
    try filler.bear()
    filler.end()
  }

  /// Once before anything is measured: the host memory they come to is there, and registered, from then on.
  func warmUp() throws {
    try fillDevice()
    _ = try shrink()
    try waitUntilPinned()
    try forgetIdle()
  }

  private func forgetIdle() throws {
    do throws(ControlClientError) {
      _ = try control.post(.evict, EvictRequest(what: .unplanned, to: .gone), as: EvictReply.self)
    } catch { throw CheckFault("tierd evicts nothing: \(error.message)") }
  }

  /// Makes the device tier smaller, and waits until it is. Answers the first and the last reading at which blocks were still
  /// leaving it: between these nothing waited for anything but the link.
  private func shrink() throws -> (first: Counts, last: Counts) {
    let start = try counts()
    // The answer comes when the blocks have left already.
    let (control, bytes) = (control, mediumBytes)
    let setting = Background { _ = try control.post(.set, SetRequest(deviceBudgetBytes: bytes), as: SetReply.self) }
    var readings: [Counts] = []
    while true {
      let now = try counts()
      if now.deviceBytes <= mediumBytes { break }
      if now.down > start.down { readings.append(now) }
      guard now.atNs - start.atNs < 20_000_000_000 else { throw CheckFault("the device tier did not shrink in 20 s") }
      usleep(300)
    }
    try setting.wait()
    guard let first = readings.first, let last = readings.last, first.down < last.down else {
      throw CheckFault("the device tier shrank too fast to be watched: take a larger --gib")
    }
    return (first, last)
  }

  /// GB/s of blocks that leave the device for the host while the tier is made smaller.
  func deviceToHost() throws -> Double {
    try fillDevice()
    let (first, last) = try shrink()
    try forgetIdle()
    return speed(first, last, up: false, down: true)
  }

  /// GB/s of both ways together: one worker's blocks stream in for as long as another's leave.
  func bothWays() throws -> Double {
    try fillDevice()
    let stop = Atomic<Bool>(false)
    let streaming = streaming
    let stream = Background { while !stop.load(ordering: .relaxed) { try streaming.pass() } }
    usleep(50_000)
    let (first, last) = try shrink()
    stop.store(true, ordering: .relaxed)
    try stream.wait()
    try forgetIdle()
    return speed(first, last, up: true, down: true)
  }

  /// From the acquire of one block that is on the host alone to its lease. The worker tells no plan, so nothing else is on the
  /// link.
  func latenciesUs(_ count: Int) throws -> Percentiles {
    streaming.end()
    let worker = try BlockWorker(
      socketPath: place + "/run/worker.sock", importer: importer, family: 2, blockBytes: blockBytes,
      layers: Self.layers, blocks: blocks / 2, isPlanned: false)
    defer { worker.end() }
    try worker.bear()
    try waitUntilPinned()
    return Percentiles(try worker.singleLatenciesUs(count))
  }
}
