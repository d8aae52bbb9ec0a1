import CLinux
import Glibc

/// A client of the worker socket that keeps to no protocol. Closes with the last reference.
final class RawClient {
  private let descriptor: Int32

  /// docs/protocol.md, "Test vectors": versions 1 to 1, client name `w`.
  static let hello: [UInt8] = [0x0a, 0x07, 0x08, 0x01, 0x10, 0x01, 0x1a, 0x01, 0x77]

  struct Failure: Error {
    let code: Int32
  }

  init(_ path: String) throws {
    descriptor = tierd_socket()
    guard tierd_connect(descriptor, path) == 0 else {
      let code = errno
      close(descriptor)
      throw Failure(code: code)
    }
    _ = tierd_set_receive_timeout(descriptor, 5000)
  }

  deinit { close(descriptor) }

  /// Sends one frame, with so many descriptors of a file of this process. A daemon that hung up already is no failure.
  func send(_ bytes: [UInt8], descriptors count: Int = 0) {
    let file = open("/dev/null", O_RDONLY | O_CLOEXEC)
    defer { close(file) }
    let descriptors = [Int32](repeating: file, count: count)
    _ = tierd_send(descriptor, bytes, bytes.count, descriptors, Int32(count), true)
  }

  /// Reads what comes until the daemon hangs up; false where it does not in five seconds.
  func isHungUpOn() -> Bool {
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    var descriptors = [Int32](repeating: -1, count: Int(TIERD_MAX_DESCRIPTORS))
    while true {
      var (count, flags): (Int32, Int32) = (0, 0)
      let size = tierd_receive(descriptor, &buffer, buffer.count, &descriptors, &count, &flags, true)
      for received in descriptors.prefix(Int(count)) { close(received) }
      if size == 0 { return true }
      // A hang-up with frames unread is told once, before what was sent before it.
      if size < 0 && errno != ECONNRESET && errno != EINTR { return false }
    }
  }
}
