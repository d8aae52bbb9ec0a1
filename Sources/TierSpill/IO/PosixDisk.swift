import CLinux
import Glibc
import Synchronization

/// A directory on a real file system: mode 0700, files 0600, symbolic links never followed, one process at a time.
package final class PosixDisk: SpillDisk {
  package let name: String
  package let alignBytes: Int
  package let blockBytes: Int
  package let isDirect: Bool
  package let engine: any IOEngine
  /// Whether crashes in recovery are left in the directory; and, for tests, in which segment's to crash.
  let notesCrashes: Bool
  let diesRecovering: UInt64?
  private let place: Mutex<Place>

  /// The descriptors of the directory and of its lock.
  private struct Place {
    let directory: Int32
    let lock: Int32

    func close() {
      Glibc.close(lock)
      Glibc.close(directory)
    }
  }
  var directory: Int32 { place.withLock { $0.directory } }

  static let lockName = "lock"

  /// Opens the directory, makes it where it is missing, takes its lock, and finds out whether direct I/O works.
  package init(path: String, options: SpillOptions) throws(SpillError) {
    if mkdir(path, 0o700) != 0, errno != EEXIST {
      throw SpillError.from(operation: "creation", file: path, errno: errno)
    }
    let place = try Self.take(path)
    self.name = path
    self.notesCrashes = options.notesCrashes
    self.diesRecovering = options.diesRecoveringSegment
    self.place = Mutex(place)
    let direct = options.directIO ? DirectIO.probe(place.directory) : nil
    self.isDirect = direct != nil
    self.alignBytes = direct?.alignBytes ?? RecordHeader.leastAlignBytes
    self.blockBytes = direct?.blockBytes ?? RecordHeader.leastAlignBytes
    let uring: UringEngine? = options.ioEngine == .threads ? nil : UringEngine()
    if options.ioEngine == .uring, uring == nil {
      place.close()
      throw .io(operation: "creation", file: "io_uring", errno: ENOSYS)
    }
    let engine: any IOEngine = uring ?? ThreadEngine()
    self.engine = options.damagesOneReadIn.map { DamagingEngine(engine, oneReadIn: $0) } ?? engine
  }

  private static func take(_ path: String) throws(SpillError) -> Place {
    let directory = tier_directory_open(path)
    if directory < 0 { throw SpillError.from(operation: "opening", file: path, errno: -directory) }
    do throws(SpillError) {
      try secure(directory, path: path)
      return Place(directory: directory, lock: try takeLock(directory, path: path))
    } catch {
      Glibc.close(directory)
      throw error
    }
  }

  package func close() { place.withLock { $0.close() } }

  package func state() -> DirectoryState {
    var (named, held) = (stat(), stat())
    guard lstat(name, &named) == 0 else { return errno == ENOENT || errno == ENOTDIR ? .vanished : .present }
    guard fstat(directory, &held) == 0 else { return .present }
    return named.st_dev == held.st_dev && named.st_ino == held.st_ino ? .present : .replaced
  }

  package func reattach() throws(SpillError) {
    let fresh = try Self.take(name)
    let old = place.withLock { place in
      defer { place = fresh }
      return place
    }
    old.close()
  }

  package func list() throws(SpillError) -> [DiskEntry] {
    let copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard copy >= 0, let stream = fdopendir(copy) else {
      let code = errno
      if copy >= 0 { Glibc.close(copy) }
      throw SpillError.from(operation: "listing", file: name, errno: code)
    }
    defer { closedir(stream) }
    var entries: [DiskEntry] = []
    while true {
      errno = 0
      guard let entry = readdir(stream) else { break }
      let file = withUnsafeBytes(of: &entry.pointee.d_name) {
        String(cString: $0.bindMemory(to: CChar.self).baseAddress!)
      }
      if file == "." || file == ".." || file == Self.lockName { continue }
      var status = stat()
      guard fstatat(directory, file, &status, AT_SYMLINK_NOFOLLOW) == 0 else { continue }  // removed meanwhile
      entries.append(
        DiskEntry(name: file, bytes: Int(status.st_size), isRegular: status.st_mode & S_IFMT == S_IFREG))
    }
    guard errno == 0 else { throw SpillError.from(operation: "listing", file: name, errno: errno) }
    return entries
  }

  package func create(_ file: String, bytes: Int) throws(SpillError) -> any SpillFile {
    let fd = tier_file_open(directory, file, true, isDirect)
    if fd < 0 { throw SpillError.from(operation: "creation", file: file, errno: -fd) }
    let code = tier_file_preallocate(fd, Int64(bytes))
    if code < 0 {
      Glibc.close(fd)
      unlinkat(directory, file, 0)
      throw SpillError.from(operation: "allocation", file: file, errno: -code)
    }
    return PosixFile(fd: fd, name: file)
  }

  package func open(_ file: String, alignBytes: Int) throws(SpillError) -> any SpillFile {
    let fd = tier_file_open(directory, file, false, isDirect && alignBytes >= self.alignBytes)
    if fd < 0 { throw SpillError.from(operation: "opening", file: file, errno: -fd) }
    return PosixFile(fd: fd, name: file)
  }

  package func rename(_ file: String, to other: String) throws(SpillError) {
    if renameat(directory, file, directory, other) != 0 {
      throw SpillError.from(operation: "renaming", file: file, errno: errno)
    }
  }

  package func remove(_ file: String) throws(SpillError) {
    if unlinkat(directory, file, 0) != 0 { throw SpillError.from(operation: "removal", file: file, errno: errno) }
  }

  package func syncDirectory() throws(SpillError) {
    if fsync(directory) != 0 { throw SpillError.from(operation: "sync", file: name, errno: errno) }
  }
}

extension PosixDisk {
  /// The directory must be ours and closed to others. One that is empty is closed; a used one is refused instead,
  /// since changing the mode of a directory that serves something else would surprise.
  private static func secure(_ directory: Int32, path: String) throws(SpillError) {
    var status = stat()
    guard fstat(directory, &status) == 0 else {
      throw SpillError.from(operation: "inspection", file: path, errno: errno)
    }
    guard status.st_uid == geteuid() else {
      throw .unsafeDirectory(directory: path, why: "it belongs to uid \(status.st_uid): name one of your own")
    }
    guard status.st_mode & 0o077 != 0 else { return }
    guard status.st_nlink <= 2, isEmpty(directory) else {
      throw .unsafeDirectory(
        directory: path, why: "others can enter it and it is not empty: chmod 700 it if it is ours")
    }
    if fchmod(directory, 0o700) != 0 { throw SpillError.from(operation: "chmod", file: path, errno: errno) }
  }

  private static func isEmpty(_ directory: Int32) -> Bool {
    let copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard copy >= 0, let stream = fdopendir(copy) else {
      if copy >= 0 { Glibc.close(copy) }
      return false
    }
    defer { closedir(stream) }
    var entries = 0
    while readdir(stream) != nil { entries += 1 }
    return entries <= 2
  }

  private static func takeLock(_ directory: Int32, path: String) throws(SpillError) -> Int32 {
    let fd = openat(directory, lockName, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard fd >= 0 else { throw SpillError.from(operation: "locking", file: path, errno: errno) }
    guard flock(fd, LOCK_EX | LOCK_NB) == 0 else {
      let code = errno
      Glibc.close(fd)
      throw code == EWOULDBLOCK
        ? .locked(directory: path) : SpillError.from(operation: "locking", file: path, errno: code)
    }
    return fd
  }
}
