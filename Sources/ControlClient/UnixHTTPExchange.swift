import ControlAPI
import Glibc

/// One request and its reply over a fresh connection to a Unix socket, before one deadline.
struct UnixHTTPExchange {
  let path: String
  private let deadline: ContinuousClock.Instant
  private let timeoutMs: Int

  init(path: String, timeoutMs: Int) {
    self.path = path
    self.timeoutMs = timeoutMs
    self.deadline = .now + .milliseconds(timeoutMs)
  }

  func run(_ request: [UInt8]) throws(ControlClientError) -> HTTPReply {
    let fd = try connected()
    defer { close(fd) }
    try send(request, to: fd)
    return try receive(from: fd)
  }

  private func connected() throws(ControlClientError) -> Int32 {
    guard path.utf8.count <= RuntimePaths.maxSocketPathBytes, !path.isEmpty else {
      throw .unavailable(
        "the socket path '\(path)' has \(path.utf8.count) bytes; 1 to \(RuntimePaths.maxSocketPathBytes) can be had")
    }
    let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
    let fd = socket(AF_UNIX, kind, 0)
    guard fd >= 0 else { throw .unavailable("cannot make a socket: \(String(cString: strerror(errno)))") }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    let result = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Glibc.connect(fd, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    guard result == 0 else {
      let code = errno
      close(fd)
      throw Self.connectFault(code, path)
    }
    return fd
  }

  private static func connectFault(_ code: Int32, _ path: String) -> ControlClientError {
    switch code {
    case ENOENT, ECONNREFUSED:
      .unavailable("no tierd at \(path): start it (systemctl start tierd, or tierd), or name its socket with --socket")
    case EACCES, EPERM:
      .unavailable("not allowed to connect to \(path): become a member of the socket's group, or root")
    case EAGAIN: .timedOut("tierd at \(path) takes no more connections now: try again later")
    default: .unavailable("cannot connect to \(path): \(String(cString: strerror(code)))")
    }
  }

  private func send(_ bytes: [UInt8], to fd: Int32) throws(ControlClientError) {
    var sent = 0
    while sent < bytes.count {
      let n = bytes.withUnsafeBytes {
        Glibc.send(fd, $0.baseAddress! + sent, $0.count - sent, Int32(MSG_NOSIGNAL))
      }
      if n >= 0 {
        sent += n
      } else if errno == EAGAIN {
        try wait(fd, for: Int16(POLLOUT))
      } else if errno == EPIPE || errno == ECONNRESET {
        // It may have answered before it stopped listening: the reply says more than this error.
        return
      } else if errno != EINTR {
        throw .unavailable("tierd at \(path) does not listen: \(String(cString: strerror(errno)))")
      }
    }
  }

  private func receive(from fd: Int32) throws(ControlClientError) -> HTTPReply {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 64 << 10)
    while true {
      let n = buffer.withUnsafeMutableBytes { recv(fd, $0.baseAddress, $0.count, 0) }
      if n > 0 { bytes += buffer[..<n] }
      if n >= 0 {
        do {
          if let reply = try HTTPReply.parse(bytes, atEnd: n == 0) { return reply }
        } catch {
          throw .malformed("what answers at \(path) does not speak as tierd does: \(error.reason)")
        }
      } else if errno == EAGAIN {
        try wait(fd, for: Int16(POLLIN))
      } else if errno != EINTR {
        throw .unavailable("tierd at \(path) ended the connection: \(String(cString: strerror(errno)))")
      }
      // However eagerly it sends, the deadline holds.
      if ContinuousClock.now >= deadline { throw timeout }
    }
  }

  private func wait(_ fd: Int32, for events: Int16) throws(ControlClientError) {
    let leftMs = Int((deadline - .now) / .milliseconds(1))
    guard leftMs > 0 else { throw timeout }
    var poller = pollfd(fd: fd, events: events, revents: 0)
    if poll(&poller, 1, Int32(clamping: leftMs)) == 0 { throw timeout }
  }

  private var timeout: ControlClientError {
    .timedOut("tierd at \(path) did not answer within \(timeoutMs) ms: try again later, or look at its log")
  }
}
