import CLinux
import Glibc

/// A listening socket and the path it made, if it made one.
final class ListeningSocket: Sendable {
  let descriptor: Int32
  private let made: MadePath?

  /// What `remove` needs to be sure that the path still is this socket.
  struct MadePath: Sendable {
    let path: String
    let device: UInt64
    let inode: UInt64
  }

  private static let backlog: Int32 = 128

  /// Takes over a socket somebody else bound and listens on, as socket activation hands it over.
  init(inherited descriptor: Int32) throws(WorkerServerError) {
    guard tierd_is_listening(descriptor) else { throw .notListening(descriptor: descriptor) }
    self.descriptor = descriptor
    made = nil
  }

  /// Binds to `path`, mode 0660, replacing the socket a dead server left there.
  init(path: String) throws(WorkerServerError) {
    guard path.utf8.count <= Int(TIERD_MAX_SOCKET_PATH) else {
      throw .pathTooLong(path, limit: Int(TIERD_MAX_SOCKET_PATH))
    }
    let lock = try DirectoryLock(of: path)
    defer { lock.release() }
    try Self.clear(path)
    let descriptor = tierd_socket()
    guard descriptor >= 0 else { throw .system("cannot make a socket", errno) }
    do throws(WorkerServerError) {
      made = try Self.bind(descriptor, to: path)
    } catch {
      close(descriptor)
      throw error
    }
    self.descriptor = descriptor
  }

  deinit { close(descriptor) }

  /// Unlinks the path, unless another server has taken it meanwhile.
  func remove() {
    guard let made, let status = Self.status(made.path), status.st_dev == made.device, status.st_ino == made.inode
    else { return }
    unlink(made.path)
  }

  private static func bind(_ descriptor: Int32, to path: String) throws(WorkerServerError) -> MadePath {
    guard tierd_bind(descriptor, path, 0o660) == 0 else { throw .system("cannot bind to \(path)", errno) }
    // The umask may have taken the group's right to write, and so to connect.
    guard chmod(path, 0o660) == 0, listen(descriptor, backlog) == 0, let status = status(path) else {
      let cause = errno
      unlink(path)
      throw .system("cannot listen on \(path)", cause)
    }
    return MadePath(path: path, device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
  }

  /// Unlinks a socket nobody listens on; throws for whatever else is at the path.
  private static func clear(_ path: String) throws(WorkerServerError) {
    guard let found = status(path) else {
      guard errno == ENOENT else { throw .system("cannot look at \(path)", errno) }
      return
    }
    guard found.st_mode & S_IFMT == S_IFSOCK else { throw .notASocket(path) }
    guard found.st_uid == geteuid() else { throw .ownedByAnother(path, uid: found.st_uid) }
    guard try !isAlive(path) else { throw .taken(path) }
    guard unlink(path) == 0 || errno == ENOENT else { throw .system("cannot remove the stale socket \(path)", errno) }
  }

  private static func isAlive(_ path: String) throws(WorkerServerError) -> Bool {
    let probe = tierd_socket()
    guard probe >= 0 else { throw .system("cannot make a socket", errno) }
    defer { close(probe) }
    // A full backlog is a live server too: give up waiting for it soon.
    guard tierd_set_send_timeout(probe, 100) == 0 else { throw .system("cannot probe \(path)", errno) }
    if tierd_connect(probe, path) == 0 { return true }
    switch errno {
    case ECONNREFUSED, ENOENT: return false
    // A live socket of another type is somebody's all the same.
    case EAGAIN, EINTR, EPROTOTYPE: return true
    case let cause: throw .system("cannot probe \(path)", cause)
    }
  }

  private static func status(_ path: String) -> stat? {
    var found = stat()
    return lstat(path, &found) == 0 ? found : nil
  }
}

/// Two servers that start at once must not both find the same socket stale, one of them unlinking the other's new one.
/// The directory itself is locked, so no lock file is left behind.
private struct DirectoryLock: ~Copyable {
  private let descriptor: Int32

  init(of path: String) throws(WorkerServerError) {
    let directory = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .system("cannot open the directory \(directory) of the socket", errno) }
    let deadline = Deadline(afterMs: 2000)
    while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
      let cause = errno
      guard cause == EWOULDBLOCK || cause == EINTR, deadline.remainingMs > 0 else {
        close(descriptor)
        throw .system("cannot lock the directory \(directory) of the socket", cause)
      }
      usleep(10_000)
    }
  }

  func release() { close(descriptor) }
}
