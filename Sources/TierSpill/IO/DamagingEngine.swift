import Synchronization
import TierCore

/// For tests: an engine whose reads return other bytes than are on disk, one in so many. One bit of what was read is
/// flipped in the lane's buffer, below every check; what is on disk stays as it is.
final class DamagingEngine: IOEngine {
  private let engine: any IOEngine
  private let oneReadIn: Int
  private let reads = Atomic(0)

  init(_ engine: any IOEngine, oneReadIn: Int) {
    precondition(oneReadIn > 0)
    self.engine = engine
    self.oneReadIn = oneReadIn
  }

  var name: String { engine.name }

  func makeLane() throws(SpillError) -> any IOLane { DamagingLane(try engine.makeLane(), of: self) }

  /// The bit of a read of so many bytes that is to be flipped; nil where it is none of those.
  fileprivate func bit(bytes: Int) -> Int? {
    let read = reads.add(1, ordering: .relaxed).newValue
    guard read % oneReadIn == 0, bytes > 0 else { return nil }
    // Any place, but the same in each run: Fibonacci hashing of the read's number.
    return Int(truncatingIfNeeded: UInt64(read) &* 0x9E37_79B9_7F4A_7C15 >> 20) % (bytes * 8)
  }
}

private final class DamagingLane: IOLane {
  private let lane: any IOLane
  private let engine: DamagingEngine
  /// Of the reads in flight, by tag.
  private var reads: [Int: Range<Int>] = [:]

  init(_ lane: any IOLane, of engine: DamagingEngine) {
    self.lane = lane
    self.engine = engine
  }

  var buffer: UnsafeMutableRawBufferPointer { lane.buffer }
  var inFlight: Int { lane.inFlight }
  func reserve(_ bytes: Int) throws(SpillError) { try lane.reserve(bytes) }

  func submit(_ kind: IOKind, _ file: any SpillFile, at offset: Int, _ range: Range<Int>, tag: Int) {
    if kind == .read { reads[tag] = range }
    lane.submit(kind, file, at: offset, range, tag: tag)
  }

  func next(untilNs: UInt64) -> IOCompletion? {
    guard let ended = lane.next(untilNs: untilNs) else { return nil }
    if let range = reads.removeValue(forKey: ended.tag), ended.result > 0, let bit = engine.bit(bytes: ended.result) {
      lane.buffer[range.lowerBound + bit / 8] ^= 1 << UInt8(bit % 8)
    }
    return ended
  }
}
