import CLinux
import Glibc
import TierCore
import TierMemory
import TierSpill

/// Copies between slots in the host's memory, at the speed of the emulated link where one is set.
final class Copier: Sendable {
  /// A memory copy takes milliseconds, a block over the slowest emulated link (1 MiB/s) some seconds.
  private static let deadlineMs = 20_000
  private let name: String
  private let queue = WorkQueue<CopyJob>()
  private let isPaced: Bool
  private let threads: [EngineThread]

  init(
    name: String, threads count: Int, bytesPerSecond: Int?, cpus: [Int] = [], firstMover: Int = 0,
    finish: @escaping @Sendable ([EndedMove]) -> Void
  ) {
    let queue = queue
    self.name = name
    isPaced = bytesPerSecond != nil
    // A slow link tells of each block as it arrives.
    let group = bytesPerSecond == nil ? 8 : 1
    threads = (0..<count).map { index in
      EngineThread(name: "\(name)-\(index)") {
        tierd_prefer_throughput()
        NodeThreads.run(on: cpus)
        var pace = Pace(bytesPerSecond: bytesPerSecond)
        while let jobs = queue.pop(atMost: group) {
          finish(jobs.map { Self.copy($0, &pace, mover: firstMover + index) })
          queue.finish(jobs.count)
        }
      }
    }
  }

  func push(_ job: CopyJob) {
    var job = job
    if isPaced { job.queuedNs = MonotonicClock.nowNs() }
    queue.push(job)
  }

  var progress: WorkProgress { WorkProgress(name, queue, deadlineMs: Self.deadlineMs) }

  func stop() {
    queue.close()
    for thread in threads { thread.join() }
  }

  private static func copy(_ job: CopyJob, _ pace: inout Pace, mover: Int) -> EndedMove {
    let beganNs = MonotonicClock.nowNs()
    let outcome = copy(job, &pace)
    return EndedMove(
      move: job.move, outcome: outcome, mover: mover, beganNs: beganNs, endedNs: MonotonicClock.nowNs())
  }

  private static func copy(_ job: CopyJob, _ pace: inout Pace) -> MoveOutcome {
    guard case .host(let from) = job.from, case .host(let to) = job.to else {
      preconditionFailure("what is not in the host's memory is a device mover's to copy")
    }
    memcpy(to, from, job.bytes)
    guard job.isIngest else {
      pace.wait(for: job.bytes, queuedNs: job.queuedNs)
      return .copied
    }
    // Of the copy, which its writer cannot change, not of the original, which it can.
    return .ingested(checksum: Checksum.of(UnsafeRawBufferPointer(start: to, count: job.bytes)))
  }
}

/// Makes copies take as long as a link of a given speed would.
struct Pace {
  let bytesPerSecond: Int?
  private var freeAtNs: UInt64 = 0

  init(bytesPerSecond: Int?) { self.bytesPerSecond = bytesPerSecond }

  /// A link takes up what is queued the moment it is free. This thread does not: what it overslept, or waited for a
  /// processor, is made up for with the next copy, as long as that was queued already.
  mutating func wait(for bytes: Int, queuedNs: UInt64) {
    guard let bytesPerSecond else { return }
    let now = MonotonicClock.nowNs()
    freeAtNs = max(freeAtNs, queuedNs) + UInt64(Double(bytes) / Double(bytesPerSecond) * 1e9)
    // Sleeping is only exact to some tens of microseconds: short debts add up until they are worth it.
    guard freeAtNs > now + 50_000 else { return }
    var pause = timespec(tv_sec: Int((freeAtNs - now) / 1_000_000_000), tv_nsec: Int((freeAtNs - now) % 1_000_000_000))
    nanosleep(&pause, nil)
  }
}

/// Time that only goes forward.
public enum MonotonicClock {
  public static func nowNs() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }
  public static func nowMs() -> UInt64 { nowNs() / 1_000_000 }
}
