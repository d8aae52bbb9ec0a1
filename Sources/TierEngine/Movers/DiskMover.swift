import CLinux
import TierCore
import TierSpill

/// Writes and reads blocks of the spill in groups, on threads of its own. One writer encodes while the other's group is
/// being synced.
final class DiskMover: Sendable {
  struct Write: @unchecked Sendable {
    let move: MoveID
    let block: BlockWrite
  }
  struct Read: @unchecked Sendable {
    let move: MoveID
    let key: BlockKey
    let layout: BlockLayout
    let checksum: UInt64
    let into: UnsafeMutableRawBufferPointer
  }

  private static let writeGroup = 16
  /// Small, so that the first blocks of a group are not held up by its last; records that lie together are read together.
  private static let readGroup = 8
  private static let writers = 2
  private static let readers = 2
  /// A group whose disk hangs at its every step fails after three deadlines of the spill's: to get a segment, to write, to
  /// sync. That is slow, not stuck.
  private static let deadlineMs = 40_000
  private let writes = WorkQueue<Write>()
  private let reads = WorkQueue<Read>()
  private let threads: [EngineThread]

  init(
    spill: Spill, finish: @escaping @Sendable ([EndedMove]) -> Void,
    report: @escaping @Sendable (String) -> Void
  ) {
    let (writes, reads) = (writes, reads)
    let writers = (0..<Self.writers).map { index in
      EngineThread(name: "spill-write-\(index)") {
        tierd_prefer_throughput()
        while let group = writes.pop(atMost: Self.writeGroup) {
          let beganNs = MonotonicClock.nowNs()
          let outcomes = spill.write(batch: group.map(\.block))
          let endedNs = MonotonicClock.nowNs()
          finish(
            zip(group, outcomes).map {
              EndedMove(
                move: $0.move, outcome: Self.outcome($1, report), mover: index, beganNs: beganNs, endedNs: endedNs)
            })
          writes.finish(group.count)
        }
      }
    }
    let readers = (0..<Self.readers).map { index in
      EngineThread(name: "spill-read-\(index)") {
        tierd_prefer_throughput()
        while let group = reads.pop(atMost: Self.readGroup) {
          let beganNs = MonotonicClock.nowNs()
          let outcomes = spill.read(
            batch: group.map { BlockRead(key: $0.key, layout: $0.layout, destination: $0.into) })
          let endedNs = MonotonicClock.nowNs()
          finish(
            zip(group, outcomes).map {
              EndedMove(
                move: $0.move, outcome: Self.outcome($1, of: $0, report), mover: index, beganNs: beganNs,
                endedNs: endedNs)
            })
          reads.finish(group.count)
        }
      }
    }
    threads = writers + readers
  }

  func push(_ write: Write) { writes.push(write) }
  func push(_ read: Read) { reads.push(read) }
  var queuedWrites: Int { writes.count }
  var queuedReads: Int { reads.count }

  var progress: [WorkProgress] {
    [
      WorkProgress("spill-write", writes, deadlineMs: Self.deadlineMs),
      WorkProgress("spill-read", reads, deadlineMs: Self.deadlineMs),
    ]
  }

  func stop() {
    writes.close()
    reads.close()
    for thread in threads { thread.join() }
  }

  private static func outcome(_ outcome: WriteOutcome, _ report: (String) -> Void) -> MoveOutcome {
    switch outcome {
    case .durable(let bytes): return .durable(storedBytes: bytes)
    case .full: return .full
    // Of a disk that fails the engine tells, once.
    case .failed(let error):
      if case .checksumMismatch = error { report("spill write refused: \(error.message)") }
      return .failed
    }
  }

  private static func outcome(_ outcome: ReadOutcome, of job: Read, _ report: (String) -> Void) -> MoveOutcome {
    switch outcome {
    case .ok(let checksum) where checksum == job.checksum: return .verified
    case .ok, .missing: return .corrupt
    case .corrupt(let why):
      report("a block on disk is damaged and was dropped: \(why)")
      return .corrupt
    case .failed: return .failed
    }
  }
}
