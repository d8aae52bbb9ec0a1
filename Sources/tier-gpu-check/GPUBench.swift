import CUDADriver
import FoundationEssentials
import Glibc
import TierEngine
import TierMemory
import TierTesting

/// A fault of a check: what was expected, and what came.
struct CheckFault: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

/// What the checks work with.
struct GPUBench {
  let device: CUDADevice
  let ordinal: Int
  let cudaLibrary: String
  let tierd: String
  /// Blocks of each measurement together.
  let blockBytesInAll: Int

  /// The suite that the emulated device passes, on this one.
  func conformance() throws -> GPUReport.Conformance {
    var result = GPUReport.Conformance()
    let device = device
    let bed = ConformanceBed(
      device: { try DeviceTier(device) }, importer: CUDAImporter(driver: cudaLibrary), scale: 64, report: { say($0) })
    for one in ConformanceSuite.cases {
      let began = MonotonicClock.nowMs()
      do {
        try one.run(bed)
        result.passed.append(one.name)
        say("passed in \(MonotonicClock.nowMs() - began) ms: \(one.name)")
      } catch {
        result.failed.append("\(one.name): \(error)")
        say("FAILED: \(one.name): \(error)")
      }
    }
    guard result.failed.isEmpty else { throw CheckFault("\(result.failed.count) cases failed: \(result.failed)") }
    return result
  }

  /// Blocks of 1, 2, 4 and 6 MiB each way, and both ways at once.
  func copies() throws -> [GPUReport.Copies] {
    try [1, 2, 4, 6].map { mib in
      let bare = try BareCopies(device, blockBytes: mib << 20, bytesInAll: blockBytesInAll)
      let row = try measure(mib, bare: try bare.measure())
      tell(row, "")
      return row
    }
  }

  /// The same while another process computes.
  func whileComputing() throws -> [GPUReport.Copies] {
    let mib = 4
    let bare = try BareCopies(device, blockBytes: mib << 20, bytesInAll: blockBytesInAll).measure()
    let burner = try ChildProcess(
      "/proc/self/exe",
      ["burn", "--device", "\(ordinal)", "--cuda-library", cudaLibrary, "--seconds", "30"], readsFirstLine: true)
    defer { burner.kill() }
    let row = try measure(mib, bare: bare)
    tell(row, " beside a process that computes")
    return [row]
  }

  private func measure(_ mib: Int, bare: BareCopies.Speeds) throws -> GPUReport.Copies {
    let load = try DaemonCopies(self, blockBytes: mib << 20)
    defer { load.end() }
    try load.warmUp()
    let up = try load.hostToDevice()
    let both = try load.bothWays()
    let down = try load.deviceToHost()
    return GPUReport.Copies(
      blockMiB: mib, hostToDevice: .init(daemon: up, bare: bare.up), deviceToHost: .init(daemon: down, bare: bare.down),
      both: .init(daemon: both, bare: bare.both))
  }

  private func tell(_ row: GPUReport.Copies, _ when: String) {
    func text(_ ratio: GPUReport.Ratio) -> String {
      "\(Self.round(ratio.daemonGBPerS)) of \(Self.round(ratio.bareGBPerS)) GB/s (\(Self.round(ratio.ratio))x)"
    }
    say(
      "\(row.blockMiB) MiB\(when): host to device \(text(row.hostToDevice)), device to host \(text(row.deviceToHost)), "
        + "both at once \(text(row.both))")
  }

  /// One block of 1 MiB at a time.
  func latency() throws -> GPUReport.Latency {
    let bare = try BareCopies(device, blockBytes: 1 << 20, bytesInAll: 64 << 20).latenciesUs(2000)
    let load = try DaemonCopies(self, blockBytes: 1 << 20)
    defer { load.end() }
    let daemon = try load.latenciesUs(2000)
    let row = GPUReport.Latency(
      blockMiB: 1, daemonP50Us: daemon.p50, daemonP99Us: daemon.p99, bareP50Us: bare.p50, ratio: daemon.p50 / bare.p50)
    say(
      "one block of 1 MiB resident: p50 \(Self.round(row.daemonP50Us)) us, p99 \(Self.round(row.daemonP99Us)) us; a bare "
        + "copy \(Self.round(row.bareP50Us)) us (\(Self.round(row.ratio))x)")
    return row
  }

  private static func round(_ value: Double) -> String { String(Double(Int(value * 100 + 0.5)) / 100) }
}

/// Half of all values are at most `p50`, 99 of 100 at most `p99`.
struct Percentiles {
  let p50: Double
  let p99: Double

  init(_ values: [Double]) {
    let sorted = values.sorted()
    p50 = sorted[sorted.count / 2]
    p99 = sorted[sorted.count * 99 / 100]
  }
}
