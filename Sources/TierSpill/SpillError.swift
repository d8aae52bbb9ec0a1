import Glibc
import TierCore

/// What went wrong in the spill: what happened, to what, and what to do about it. The blocks concerned are misses;
/// nothing else is affected.
public enum SpillError: Error, Sendable, Hashable {
  /// A system call failed on a file of the spill.
  case io(operation: String, file: String, errno: Int32)
  /// The file system has no space left, whatever the cap says.
  case diskFull(file: String)
  /// The disk did not answer in time. What was asked of it may happen later all the same.
  case timedOut(operation: String, file: String, afterMs: Int)
  /// The directory is not at its path any more.
  case directoryGone(directory: String)
  /// Another process holds the directory's lock.
  case locked(directory: String)
  /// The directory cannot be trusted: not ours, or open to others.
  case unsafeDirectory(directory: String, why: String)
  /// The cap cannot hold two segments beside what must be left alone.
  case capTooSmall(capBytes: Int, smallestBytes: Int)
  /// The block's record is larger than a segment, which follows from the cap.
  case blockTooLarge(recordBytes: Int, segmentBytes: Int)
  /// The bytes handed over are not as many as the layout says.
  case wrongLength(bytes: Int, expectedBytes: Int)
  /// The bytes handed over do not have the checksum they were sealed with.
  case checksumMismatch
  /// No buffer or no exclusive access came free in time.
  case busy(waitedMs: Int)
  /// The spill is closed.
  case closed

  /// One sentence a user can act on.
  public var message: String {
    switch self {
    case .io(let operation, let file, let code):
      "\(operation) of \(file) failed: \(String(cString: strerror(code))) (errno \(code))"
    case .diskFull(let file): "no space left on the file system of \(file): free some, or lower the disk budget"
    case .timedOut(let operation, let file, let ms):
      "\(operation) of \(file) did not end within \(ms) ms: is the disk overloaded or failing?"
    case .directoryGone(let directory): "\(directory) is gone: put it back, and the spill goes on"
    case .locked(let directory): "\(directory) is in use by another tierd: stop it, or name another directory"
    case .unsafeDirectory(let directory, let why): "\(directory) cannot be used for the spill: \(why)"
    case .capTooSmall(let cap, let smallest):
      "a disk budget of \(ByteCount.text(cap)) is too small: the smallest that would do is \(ByteCount.text(smallest))"
    case .blockTooLarge(let record, let segment):
      "a block of \(ByteCount.text(record)) on disk exceeds a segment of \(ByteCount.text(segment)): "
        + "raise the disk budget"
    case .wrongLength(let bytes, let expected): "a block of \(bytes) bytes was handed over, its layout says \(expected)"
    case .checksumMismatch: "a block's bytes do not have the checksum they were sealed with"
    case .busy(let waited): "the spill was busy for \(waited) ms: try again later"
    case .closed: "the spill is closed"
    }
  }

  /// Whether the disk is at fault, rather than the caller or a lack of buffers.
  var isOfTheDisk: Bool {
    switch self {
    case .io, .diskFull, .timedOut: true
    default: false
    }
  }

  var isMissingFile: Bool {
    if case .io(_, _, ENOENT) = self { true } else { false }
  }

  /// The error for `code`, with a full disk told apart.
  package static func from(operation: String, file: String, errno code: Int32) -> SpillError {
    code == ENOSPC || code == EDQUOT ? .diskFull(file: file) : .io(operation: operation, file: file, errno: code)
  }
}
