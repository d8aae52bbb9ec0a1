import CLinux
import Glibc

/// A user who is not in the socket's group: must be kept out by the kernel.
enum Stranger {
  static func run(socketPath: String, uid: UInt32) throws(StressFault) {
    guard setgroups(0, nil) == 0, setgid(uid) == 0, setuid(uid) == 0 else {
      throw .usage("cannot become uid \(uid): \(errorText(errno))")
    }
    let connection = tierd_socket()
    defer { close(connection) }
    guard tierd_connect(connection, socketPath) != 0 else {
      throw .failed("uid \(uid) of no group of the daemon's could connect to \(socketPath)")
    }
    let cause = errno
    guard cause == EACCES else { throw .failed("uid \(uid) was kept out for another reason: \(errorText(cause))") }
  }
}
