import CLinux
import Glibc
import TierCore

/// One end of a connection. Owns its descriptor; any thread may send, one at a time may receive.
final class FrameSocket: Sendable {
  let descriptor: Int32

  init(owning descriptor: Int32) { self.descriptor = descriptor }

  deinit { close(descriptor) }

  /// Wakes whoever receives or waits to send, here and at the peer. What the peer has not read yet stays readable to it.
  func hangUp() { _ = shutdown(descriptor, Int32(SHUT_RDWR)) }

  enum Sent: Equatable {
    case sent
    /// The peer has not read what it was sent before.
    case full
    case gone
    case failed(errno: Int32)
  }

  /// Sends a frame whole or not at all. With `wait`, waits as long as the send timeout says, then it is `full`.
  func send(_ frame: [UInt8], descriptors: [Int32] = [], wait: Bool) -> Sent {
    while true {
      let sent = frame.withUnsafeBytes { bytes in
        tierd_send(descriptor, bytes.baseAddress, bytes.count, descriptors, Int32(descriptors.count), wait)
      }
      if sent >= 0 { return .sent }
      switch errno {
      case EINTR: continue
      case EAGAIN: return .full
      case EPIPE, ECONNRESET, ENOTCONN: return .gone
      case let cause: return .failed(errno: cause)
      }
    }
  }

  enum Received: Equatable {
    /// `size` bytes are in the buffer; the descriptors are the receiver's to close.
    case frame(size: Int, descriptors: [Int32])
    /// Longer than any frame may be; its descriptors are closed.
    case oversized
    /// With more descriptors than any frame may have; all are closed.
    case tooManyDescriptors
    case closed
    /// Nothing came in the time there was.
    case nothing
    case interrupted
    case failed(errno: Int32)
  }

  /// With `wait`, waits as long as the receive timeout says.
  func receive(into buffer: FrameBuffer, wait: Bool) -> Received {
    var descriptors = Descriptors(repeating: -1)
    var count: Int32 = 0
    var flags: Int32 = 0
    let size = descriptors.withMutablePointer {
      tierd_receive(descriptor, buffer.bytes.baseAddress, buffer.bytes.count, $0, &count, &flags, wait)
    }
    guard size >= 0 else { return Self.failure(errno) }
    if count == 0 && flags == 0 { return size == 0 ? .closed : .frame(size: size, descriptors: []) }
    let received = descriptors.withMutablePointer { (0..<Int(count)).map { [d = $0] in d[$0] } }
    guard flags == 0, size > 0 else {
      for descriptor in received { close(descriptor) }
      if flags & Int32(TIERD_DESCRIPTORS_TRUNCATED) != 0 { return .tooManyDescriptors }
      return flags == 0 ? .closed : .oversized
    }
    return .frame(size: size, descriptors: received)
  }

  private static func failure(_ cause: Int32) -> Received {
    switch cause {
    case EINTR: .interrupted
    case EAGAIN: .nothing
    // The peer closed with frames of ours unread; what it had sent before can still be read, and then `closed`.
    case ECONNRESET: .interrupted
    default: .failed(errno: cause)
    }
  }
}

/// Room for one frame, reused for every frame of a connection.
final class FrameBuffer {
  let bytes: UnsafeMutableRawBufferPointer

  init() { bytes = .allocate(byteCount: ProtocolLimits.frameBytes, alignment: 16) }

  deinit { bytes.deallocate() }

  func frame(_ size: Int) -> UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: bytes[..<size]) }
}

/// Room for the descriptors of one message, on the stack.
private struct Descriptors {
  private var storage: InlineArray<16, Int32>

  init(repeating value: Int32) { storage = InlineArray(repeating: value) }

  mutating func withMutablePointer<R>(_ body: (UnsafeMutablePointer<Int32>) -> R) -> R {
    var span = storage.mutableSpan
    return span.withUnsafeMutableBufferPointer { body($0.baseAddress!) }
  }
}

/// What the C library says about an error number.
func errorText(_ number: Int32) -> String { String(cString: strerror(number)) }
