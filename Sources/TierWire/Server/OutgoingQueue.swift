import CLinux
import Glibc
import TierCore

/// A frame on its way to a worker, with the descriptors that travel with it.
struct OutgoingFrame {
  let bytes: [UInt8]
  /// Owned: closed when the frame is sent or dropped.
  var descriptors: [Int32] = []

  func discard() {
    for descriptor in descriptors { close(descriptor) }
  }
}

/// Frames that wait for a worker to read. Bounded in number and in bytes.
struct OutgoingQueue {
  private var frames: [OutgoingFrame] = []
  private var head = 0
  private var bytes = 0

  static let bytesMax = 8 << 20

  var isEmpty: Bool { head == frames.count }

  /// False where it is full; the frame is discarded then.
  mutating func append(_ frame: OutgoingFrame) -> Bool {
    guard frames.count - head < ProtocolLimits.queuedReplies, bytes + frame.bytes.count <= Self.bytesMax else {
      frame.discard()
      return false
    }
    bytes += frame.bytes.count
    frames.append(frame)
    return true
  }

  enum Flushed: Equatable {
    case all
    /// The worker has not read enough; `progress` tells whether it read anything.
    case some(progress: Bool)
    case gone
    case failed(errno: Int32)
  }

  /// Sends what the socket takes without waiting.
  mutating func flush(to socket: FrameSocket) -> Flushed {
    let start = head
    while head < frames.count {
      switch socket.send(frames[head].bytes, descriptors: frames[head].descriptors, wait: false) {
      case .sent: removeFirst()
      case .full:
        let progress = head != start
        compact()
        return .some(progress: progress)
      case .gone: return .gone
      case .failed(let cause): return .failed(errno: cause)
      }
    }
    compact()
    return .all
  }

  mutating func discardAll() {
    for frame in frames[head...] { frame.discard() }
    self = OutgoingQueue()
  }

  private mutating func removeFirst() {
    let frame = frames[head]
    frame.discard()
    bytes -= frame.bytes.count
    head += 1
  }

  /// Sent frames are let go in bulk, so that a queue of any length costs its senders a constant each.
  private mutating func compact() {
    if head == frames.count {
      frames.removeAll(keepingCapacity: true)
      head = 0
    } else if head >= 256 {
      frames.removeFirst(head)
      head = 0
    }
  }
}
