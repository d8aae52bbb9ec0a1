import Glibc

/// What an operation does.
package enum IOKind: Int32, Sendable {
  case read = 0
  case write = 1
  /// Of the file's data, and the metadata needed to read it back.
  case sync = 2

  var text: String {
    switch self {
    case .read: "reading"
    case .write: "writing"
    case .sync: "sync"
    }
  }
}

/// An operation that ended: bytes moved, or a negative errno.
package struct IOCompletion: Sendable, Hashable {
  package let tag: Int
  package let result: Int

  package init(tag: Int, result: Int) {
    self.tag = tag
    self.result = result
  }
}

/// A buffer and the operations on it: the one way bytes go to files and come from them. One thread uses it at a time.
///
/// Operations use the lane's own buffer and no other memory, so that one whose deadline has passed harms nobody: the
/// lane is set aside with its buffer until the kernel has let go of it. An operation keeps its file's descriptor open.
package protocol IOLane: AnyObject {
  var buffer: UnsafeMutableRawBufferPointer { get }
  /// Operations submitted whose completion was not returned yet.
  var inFlight: Int { get }
  /// Makes the buffer at least so large, with whatever contents. Nothing may be in flight.
  func reserve(_ bytes: Int) throws(SpillError)
  /// Starts an operation on `range` of the buffer; an empty one for a sync. At most `IOLimits.depth` at once.
  func submit(_ kind: IOKind, _ file: any SpillFile, at offset: Int, _ range: Range<Int>, tag: Int)
  /// The next operation to end, in any order; nil where none does in time. Something must be in flight.
  func next(untilNs: UInt64) -> IOCompletion?
}

/// How bytes are moved. Chosen once, when the directory is opened.
package protocol IOEngine: AnyObject, Sendable {
  /// For people: `io_uring`, `threads`.
  var name: String { get }
  func makeLane() throws(SpillError) -> any IOLane
}

package enum IOLimits {
  /// Operations in flight on one lane.
  package static let depth = 16
}

extension IOLane {
  /// One operation from beginning to end. After a `timedOut` the lane is of no use to its holder any more.
  package func perform(
    _ kind: IOKind, _ file: any SpillFile, at offset: Int, _ range: Range<Int>, deadlineMs: Int
  ) throws(SpillError) -> Int {
    precondition(inFlight == 0, "one operation at a time")
    submit(kind, file, at: offset, range, tag: 0)
    guard let ended = next(untilNs: MonotonicClock.nowNs() + UInt64(deadlineMs) * 1_000_000) else {
      throw .timedOut(operation: kind.text, file: file.name, afterMs: deadlineMs)
    }
    if ended.result < 0 { throw .from(operation: kind.text, file: file.name, errno: Int32(-ended.result)) }
    return ended.result
  }

  /// Writes all of `range`.
  package func write(_ range: Range<Int>, to file: any SpillFile, at offset: Int, deadlineMs: Int) throws(SpillError) {
    let done = try perform(.write, file, at: offset, range, deadlineMs: deadlineMs)
    // A direct write that stops short has met the end of the space.
    if done < range.count { throw .diskFull(file: file.name) }
  }

  /// Reads up to `range`'s length; less only at the file's end.
  package func read(
    _ range: Range<Int>, of file: any SpillFile, at offset: Int, deadlineMs: Int
  ) throws(SpillError) -> Int {
    try perform(.read, file, at: offset, range, deadlineMs: deadlineMs)
  }

  package func sync(_ file: any SpillFile, deadlineMs: Int) throws(SpillError) {
    _ = try perform(.sync, file, at: 0, 0..<0, deadlineMs: deadlineMs)
  }

  package func bytes(_ range: Range<Int>) -> UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(rebasing: buffer[range])
  }
}
