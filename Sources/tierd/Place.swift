import Glibc

/// A directory that is this daemon's while it runs: nobody else may change what is in it, and no second daemon gets it.
/// The lock goes with the process, however it ends.
final class Place: Sendable {
  let path: String
  /// Why nothing can be written to it at present; nil where it can be. It is this daemon's all the same.
  let unwritable: String?
  private let lock: Int32

  /// Makes the directory (and those above it) where it is missing. Throws where it belongs to another user, where
  /// others may write to it, and where a daemon has it already.
  init(_ path: String, mode: mode_t) throws(PlaceFault) {
    try Self.make(path, mode: mode)
    try Self.check(path)
    self.path = path
    (lock, unwritable) = try Self.lock(path)
  }

  deinit { close(lock) }

  private static func make(_ path: String, mode: mode_t) throws(PlaceFault) {
    if mkdir(path, mode) == 0 || errno == EEXIST { return }
    guard errno == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex else {
      throw .inputOutput("cannot make \(path): \(text(errno))")
    }
    try make(String(path[..<slash]), mode: 0o755)
    guard mkdir(path, mode) == 0 || errno == EEXIST else {
      throw .inputOutput("cannot make \(path): \(text(errno))")
    }
  }

  private static func check(_ path: String) throws(PlaceFault) {
    var info = stat()
    guard stat(path, &info) == 0 else {
      throw .inputOutput("cannot look at \(path): \(text(errno))")
    }
    guard info.st_mode & S_IFMT == S_IFDIR else { throw .unsafe("\(path) is not a directory: choose another") }
    guard info.st_uid == geteuid() else {
      throw .unsafe("\(path) belongs to user \(info.st_uid), not to \(geteuid()): choose another directory")
    }
    guard info.st_mode & 0o022 == 0 else {
      throw .unsafe("others may write to \(path): chmod go-w \(path), or choose another directory")
    }
  }

  /// A file of its own; on a disk that is full or read-only the directory itself, which needs no writing.
  private static func lock(_ path: String) throws(PlaceFault) -> (lock: Int32, unwritable: String?) {
    let file = path + "/tierd.lock"
    var fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    var unwritable: String?
    if fd < 0, [EROFS, ENOSPC, EDQUOT].contains(errno) {
      unwritable = "cannot write to \(path): \(text(errno))"
      // Where there is the file it is what another daemon has locked.
      fd = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
      if fd < 0 { fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
    }
    guard fd >= 0 else { throw .inputOutput("cannot open \(file): \(text(errno))") }
    guard flock(fd, LOCK_EX | LOCK_NB) == 0 else {
      let code = errno
      close(fd)
      throw code == EWOULDBLOCK
        ? .taken("another tierd runs in \(path): stop it, or choose another directory")
        : .inputOutput("cannot lock \(file): \(text(code))")
    }
    return (fd, unwritable)
  }

  private static func text(_ code: Int32) -> String {
    // Under ProtectSystem=strict everything but the unit's own directories is.
    String(cString: strerror(code)) + (code == EROFS ? " (in a unit, name it in ReadWritePaths=)" : "")
  }
}
