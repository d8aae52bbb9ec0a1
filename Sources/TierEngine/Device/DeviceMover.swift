import CLinux
import Glibc
import TierCore
import TierMemory

/// Copies between the host and a device on a queue of the device's own. One thread submits what there is, in batches, and
/// looks which have ended: it never waits for one copy while others could be submitted.
///
/// Where the device fails, nothing is known of the copies under way, so none of them is ever told finished: their slots
/// are not used again, `lost` is told why, and the thread ends.
final class DeviceMover: BlockMover {
  /// A block takes a millisecond at most; a device that others keep busy may take its time.
  private static let deadlineMs = 20_000
  private let name: String
  private let queue = WorkQueue<CopyJob>()
  private let thread: EngineThread

  init(
    name: String, device: any DeviceBackend, queue copies: any CopyQueue, cpus: [Int] = [],
    report: @escaping @Sendable (String) -> Void, lost: @escaping @Sendable (DeviceError) -> Void,
    finish: @escaping @Sendable ([EndedMove]) -> Void
  ) {
    let queue = queue
    self.name = name
    thread = EngineThread(name: name) {
      tierd_prefer_throughput()
      NodeThreads.run(on: cpus)
      var run = DeviceRun(jobs: queue, copies: copies, bounce: BounceBuffers(device, report: report), finish: finish)
      do throws(DeviceError) { try run.untilClosed() } catch { lost(error) }
    }
  }

  func push(_ job: CopyJob, node: Int?) { queue.push(job) }

  var isDivided: Bool { false }

  var progress: [WorkProgress] { [WorkProgress(name, queue, deadlineMs: Self.deadlineMs)] }

  func stop() {
    queue.close()
    thread.join()
  }
}

/// What a device mover's thread is at.
private struct DeviceRun {
  private struct Batch {
    let ends: [(job: CopyJob, outcome: MoveOutcome)]
    /// Taken for births, and free again when they have ended.
    let buffers: [BounceBuffers.Buffer]
    let beganNs: UInt64
  }

  let jobs: WorkQueue<CopyJob>
  let copies: any CopyQueue
  let bounce: BounceBuffers
  let finish: @Sendable ([EndedMove]) -> Void

  /// Under way, the oldest first.
  private var batches: [Batch] = []
  private var finishedBatches = 0
  private var pause = Pause()

  /// Copies told of together: a reader gets the first of many while the others are still copied.
  private static let batchJobs = 4
  /// Enough to keep a link busy while this thread is elsewhere.
  private static let batchesMax = 8

  init(
    jobs: WorkQueue<CopyJob>, copies: any CopyQueue, bounce: BounceBuffers,
    finish: @escaping @Sendable ([EndedMove]) -> Void
  ) {
    (self.jobs, self.copies, self.bounce, self.finish) = (jobs, copies, bounce, finish)
  }

  /// Returns once no more jobs come and all that came have ended.
  mutating func untilClosed() throws(DeviceError) {
    while true {
      var next: [CopyJob] = []
      if batches.isEmpty {
        guard let some = waitForJobs() else { return }
        next = some
      } else if batches.count < Self.batchesMax {
        next = jobs.popNow(atMost: Self.batchJobs)
      }
      if !next.isEmpty { try start(next) }
      let hasEnded = try finishEnded()
      if hasEnded || !next.isEmpty { pause.began() } else { pause.rest() }
    }
  }

  /// A thread that is woken comes late: who copied a moment ago looks again for a while before it sleeps.
  private mutating func waitForJobs() -> [CopyJob]? {
    pause.began()
    while pause.isSpinning {
      let some = jobs.popNow(atMost: Self.batchJobs)
      if !some.isEmpty { return some }
    }
    return jobs.pop(atMost: Self.batchJobs)
  }

  private mutating func start(_ jobs: [CopyJob]) throws(DeviceError) {
    let beganNs = MonotonicClock.nowNs()
    var ends: [(job: CopyJob, outcome: MoveOutcome)] = []
    var buffers: [BounceBuffers.Buffer] = []
    var batch: [DeviceCopy] = []
    for job in jobs {
      switch (job.from, job.to) {
      case (.host(let from), .device(let to)) where job.isIngest:
        let buffer = bounce.take(job.bytes)
        memcpy(buffer.base, from, job.bytes)
        batch.append(DeviceCopy(.toDevice, host: buffer.base, device: to, bytes: job.bytes))
        ends.append((job, .ingested(checksum: buffer.checksum(job.bytes))))
        buffers.append(buffer)
      case (.host(let from), .device(let to)):
        batch.append(DeviceCopy(.toDevice, host: from, device: to, bytes: job.bytes))
        ends.append((job, .copied))
      case (.device(let from), .host(let to)):
        batch.append(DeviceCopy(.toHost, host: to, device: from, bytes: job.bytes))
        ends.append((job, .copied))
      case (.host, .host), (.device, .device): preconditionFailure("a link joins the host and a device")
      }
    }
    try copies.submit(batch)
    batches.append(Batch(ends: ends, buffers: buffers, beganNs: beganNs))
  }

  private mutating func finishEnded() throws(DeviceError) -> Bool {
    guard !batches.isEmpty else { return false }
    let ended = try copies.completedBatches() - finishedBatches
    guard ended > 0 else { return false }
    let now = MonotonicClock.nowNs()
    for batch in batches.prefix(ended) {
      for buffer in batch.buffers { bounce.giveBack(buffer) }
      finish(
        batch.ends.map {
          EndedMove(move: $0.job.move, outcome: $0.outcome, mover: 0, beganNs: batch.beganNs, endedNs: now)
        })
      jobs.finish(batch.ends.count)
    }
    batches.removeFirst(ended)
    finishedBatches += ended
    return true
  }
}

/// How a thread waits for a device that tells it nothing: at once at first, where there are processors to spare, then in
/// sleeps of some ten microseconds.
private struct Pause {
  private static let spinsForNs: UInt64 = sysconf(Int32(_SC_NPROCESSORS_ONLN)) > 2 ? 200_000 : 0
  private var beganNs: UInt64 = 0

  mutating func began() { beganNs = MonotonicClock.nowNs() }

  var isSpinning: Bool { MonotonicClock.nowNs() - beganNs < Self.spinsForNs }

  func rest() { if isSpinning { sched_yield() } else { usleep(20) } }
}
