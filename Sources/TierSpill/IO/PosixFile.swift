import Glibc
import Synchronization

/// An open file by its descriptor.
final class PosixFile: SpillFile {
  let name: String
  private let descriptor: Int32
  private let use = Mutex(Use())

  private struct Use {
    var operations = 0
    var isClosed = false
  }

  init(fd: Int32, name: String) {
    self.descriptor = fd
    self.name = name
  }

  func beginUse() -> Int32? {
    use.withLock { use in
      guard !use.isClosed else { return nil }
      use.operations += 1
      return descriptor
    }
  }

  func endUse() {
    let isLast = use.withLock { use in
      use.operations -= 1
      return use.isClosed && use.operations == 0
    }
    if isLast { Glibc.close(descriptor) }
  }

  /// The number must not be another file's while an operation that was given up still uses it.
  func close() {
    let isUnused = use.withLock { use in
      defer { use.isClosed = true }
      return !use.isClosed && use.operations == 0
    }
    if isUnused { Glibc.close(descriptor) }
  }

  func status() throws(SpillError) -> FileStatus {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw failure("inspection") }
    return FileStatus(bytes: Int(status.st_size), isLinked: status.st_nlink > 0)
  }

  func truncate(to bytes: Int) throws(SpillError) {
    while ftruncate(descriptor, bytes) != 0 { if errno != EINTR { throw failure("truncation") } }
  }

  private func failure(_ operation: String) -> SpillError {
    SpillError.from(operation: operation, file: name, errno: errno)
  }
}
