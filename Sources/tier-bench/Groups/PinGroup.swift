import CLinux
import Glibc
import TierMemory

/// How long it takes to have memory in memory, locked and on its node, beside the bare calls for as much of the same kind.
struct PinGroup: BenchmarkGroup {
  static let name = "pin"
  static let summary = "pinning 4 GiB of host memory beside a bare mmap, populate and lock"
  static let needs: [BenchmarkNeed] = []

  private static let bytes = 4 << 30
  private static let rounds = 5

  func run(_ bench: Bench) throws -> [Figure] {
    let free = NodeTopology.read().withMemory.first.flatMap { NodeTopology.read().memory(of: $0.id)?.availableBytes }
    guard (free ?? .max) > Self.bytes + (1 << 30) else {
      throw BenchFault.failed(
        "\(Self.bytes >> 30) GiB are pinned, and less than 1 GiB more are free: stop what takes it")
    }
    var (ours, bare) = ([Double](), [Double]())
    for round in 1...Self.rounds {
      bench.progress.show("pinning 4 GiB, round \(round) of \(Self.rounds)")
      // Each first in turn: who comes second finds pages that were just freed.
      if round % 2 == 1 {
        ours.append(try pin())
        bare.append(try pinBare())
      } else {
        bare.append(try pinBare())
        ours.append(try pin())
      }
    }
    let ratios = zip(ours, bare).map { $0 / $1 }
    return [
      .median(
        "pin_4gib_to_bare_ratio", "pinning 4 GiB, to a bare mmap, populate and lock", .ratio, of: ratios,
        target: .atMost(1.1)),
      .median("pin_4gib_s", "pinning 4 GiB", .seconds, of: ours),
      .median("pin_4gib_bare_s", "bare", .seconds, of: bare),
    ]
  }

  private func pin() throws -> Double {
    var options = HostMemorySystem.Options()
    options.topology = .read()
    options.locks = true
    let system = HostMemorySystem(options) { writeToStandardError("pin: \($0)\n") }
    let clock = Stopwatch()
    let memory = try system.make(
      name: "tier-bench-pin", sizeBytes: Self.bytes, node: options.topology.withMemory.first?.id, isLasting: false)
    memory.wantPinned()
    memory.pin()
    let seconds = clock.seconds
    guard memory.use.isLocked, memory.isPinned else {
      throw BenchFault.failed("the memory could not be pinned: run where it may be locked (ulimit -l unlimited)")
    }
    return seconds
  }

  /// One thread, one call each.
  private func pinBare() throws -> Double {
    let clock = Stopwatch()
    let fd = tierd_memfd_create("tier-bench-bare", UInt64(Self.bytes))
    guard fd >= 0 else { throw BenchFault.failed("memfd_create: \(String(cString: strerror(errno)))") }
    defer { close(fd) }
    guard let map = mmap(nil, Self.bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0), map != MAP_FAILED
    else { throw BenchFault.failed("mmap: \(String(cString: strerror(errno)))") }
    defer { munmap(map, Self.bytes) }
    guard mlock(map, Self.bytes) == 0 else {
      throw BenchFault.failed("mlock: \(String(cString: strerror(errno))); run where memory may be locked")
    }
    return clock.seconds
  }
}
