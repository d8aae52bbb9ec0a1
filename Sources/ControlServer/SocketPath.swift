import ControlAPI
import Glibc

/// The place of a Unix socket that a daemon is about to bind.
public struct SocketPath: Sendable {
  public let path: String

  /// One line: what is wrong with the path, and what to do.
  public struct Fault: Error, Sendable, Equatable {
    public let message: String
    public init(_ message: String) { self.message = message }
  }

  /// Throws where the path is relative, empty or too long for a socket.
  public init(_ path: String) throws(Fault) {
    guard path.hasPrefix("/") else { throw Fault("the socket path '\(path)' is not absolute") }
    guard path.utf8.count <= RuntimePaths.maxSocketPathBytes else {
      throw Fault(
        "the socket path \(path) has \(path.utf8.count) bytes, and \(RuntimePaths.maxSocketPathBytes) are the most: "
          + "choose a shorter runtime directory")
    }
    self.path = path
  }

  /// Removes what a daemon that died left behind. Throws, and touches nothing, where the path is in use, is no socket,
  /// or belongs to another user.
  public func clearStale() throws(Fault) {
    var info = stat()
    if lstat(path, &info) != 0 {
      if errno == ENOENT { return }
      throw Fault("cannot look at \(path): \(String(cString: strerror(errno)))")
    }
    guard info.st_mode & S_IFMT == S_IFSOCK else {
      throw Fault("\(path) is there and is not a socket: move it away or choose another runtime directory")
    }
    guard info.st_uid == geteuid() else {
      throw Fault("\(path) belongs to user \(info.st_uid): choose another runtime directory")
    }
    if try isAnswered() {
      throw Fault("\(path) is taken: another daemon is listening there")
    }
    guard unlink(path) == 0 || errno == ENOENT else {
      throw Fault("cannot remove the stale socket \(path): \(String(cString: strerror(errno)))")
    }
  }

  /// Whether someone listens. A socket nobody listens on refuses connections.
  private func isAnswered() throws(Fault) -> Bool {
    let fd = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | closeOnExecNonblocking, 0)
    guard fd >= 0 else { throw Fault("cannot make a socket: \(String(cString: strerror(errno)))") }
    defer { close(fd) }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    let result = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(fd, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    // EPROTOTYPE: a socket of another type listens there. EAGAIN: its queue is full.
    return result == 0 || errno != ECONNREFUSED
  }
}

private let closeOnExecNonblocking = Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
