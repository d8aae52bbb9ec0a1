import FoundationEssentials
import Glibc
import TierCore
import TierWire

/// A tierd of its own, with places of its own; ended, and its places removed, with the last reference.
final class DaemonProcess {
  struct Budgets {
    var deviceBytes = 1 << 30
    var hostBytes = 1 << 30
    var diskBytes = 0
    /// Further flags of tierd.
    var flags: [String] = []
  }

  let socketPath: String
  private let bench: Bench
  private let budgets: Budgets
  private let place: String
  private var process: Subprocess

  /// Returns when it takes connections.
  init(_ bench: Bench, _ budgets: Budgets) throws(BenchFault) {
    self.bench = bench
    self.budgets = budgets
    place = try bench.scratch.directory("d" + UUID().uuidString.prefix(8))
    socketPath = place + "/run/worker.sock"
    process = try Self.start(bench, budgets, place)
    try waitUntilReady()
  }

  /// Ends it as a service manager does, and starts it again on what it left on disk.
  func restart() throws(BenchFault) {
    process.stop()
    process = try Self.start(bench, budgets, place)
    try waitUntilReady()
  }

  private static func start(_ bench: Bench, _ budgets: Budgets, _ place: String) throws(BenchFault) -> Subprocess {
    try Subprocess(
      try bench.program("tierd"),
      [
        "--runtime-dir", place + "/run", "--state-dir", place + "/state", "--device", "emulated", "--device-budget",
        "\(budgets.deviceBytes)", "--host-budget", "\(budgets.hostBytes)", "--disk-budget", "\(budgets.diskBytes)",
        "--log-level", "warning",
      ] + budgets.flags, outputPath: place + "/out", errorPath: place + "/err")
  }

  /// What the store has counted since it started.
  func statistics() throws(BenchFault) -> StoreStatistics {
    do throws(ResidencyError) {
      let client = try WorkerClient.connect(path: socketPath, name: "tier-bench", timeoutMs: 5000)
      defer { client.end() }
      return try client.statistics()
    } catch {
      throw .failed(error.message)
    }
  }

  /// What tierctl prints.
  func control(_ arguments: [String]) throws(BenchFault) -> Data {
    let output = place + "/control.out"
    let process = try Subprocess(
      try bench.program("tierctl"), ["--socket", place + "/run/control.sock", "--json"] + arguments, outputPath: output,
      errorPath: place + "/control.err")
    let ending = process.wait(limitS: 60)
    guard ending == .exited(0) else { throw process.fault(ending) }
    return FileManager.default.contents(atPath: output) ?? Data()
  }

  deinit {
    process.stop()
    ScratchDirectory.remove(place)
  }

  private func waitUntilReady() throws(BenchFault) {
    let watch = Stopwatch()
    while true {
      if let ending = process.poll() { throw process.fault(ending) }
      do throws(ResidencyError) {
        return try WorkerClient.connect(path: socketPath, name: "tier-bench", timeoutMs: 1000).end()
      } catch {
        guard watch.seconds < 10 else { throw .failed("tierd was not ready within 10 s: \(error.message)") }
      }
      usleep(10_000)
    }
  }
}
