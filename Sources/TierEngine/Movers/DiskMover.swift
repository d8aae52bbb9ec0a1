import CLinux
import TierCore
import TierSpill

/// Writes and reads blocks of the spill on threads of its own: one that writes in groups, and some that read.
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

  private static let groupBlocks = 16
  private static let readers = 2
  private let writes = WorkQueue<Write>()
  private let reads = WorkQueue<Read>()
  private let threads: [EngineThread]

  init(
    spill: Spill, finish: @escaping @Sendable ([(MoveID, MoveOutcome)]) -> Void,
    report: @escaping @Sendable (String) -> Void
  ) {
    let (writes, reads) = (writes, reads)
    let writer = EngineThread(name: "spill-write") {
      tierd_prefer_throughput()
      while let group = writes.pop(atMost: Self.groupBlocks) {
        let outcomes = spill.write(batch: group.map(\.block))
        finish(zip(group, outcomes).map { ($0.move, Self.outcome($1, report)) })
      }
    }
    let readers = (0..<Self.readers).map { index in
      EngineThread(name: "spill-read-\(index)") {
        tierd_prefer_throughput()
        while let group = reads.pop(atMost: 1) {
          finish(group.map { ($0.move, Self.read($0, spill, report)) })
        }
      }
    }
    threads = [writer] + readers
  }

  func push(_ write: Write) { writes.push(write) }
  func push(_ read: Read) { reads.push(read) }
  var queuedWrites: Int { writes.count }
  var queuedReads: Int { reads.count }

  func stop() {
    writes.close()
    reads.close()
    for thread in threads { thread.join() }
  }

  private static func outcome(_ outcome: WriteOutcome, _ report: (String) -> Void) -> MoveOutcome {
    switch outcome {
    case .durable(let bytes): return .durable(storedBytes: bytes)
    case .full: return .full
    case .failed(let error):
      report("spill write failed: \(error.message)")
      return .failed
    }
  }

  private static func read(_ job: Read, _ spill: Spill, _ report: (String) -> Void) -> MoveOutcome {
    switch spill.read(key: job.key, layout: job.layout, into: job.into) {
    case .ok(let checksum) where checksum == job.checksum: return .verified
    case .ok, .missing: return .corrupt
    case .corrupt(let why):
      report("a block on disk is damaged and was dropped: \(why)")
      return .corrupt
    case .failed(let error):
      report("spill read failed: \(error.message)")
      return .failed
    }
  }
}
