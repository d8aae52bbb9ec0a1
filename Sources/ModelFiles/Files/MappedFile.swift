import Glibc

/// A file mapped read-only, whole, until the last reference goes. Only regular files: others have no size to check
/// lengths against.
public final class MappedFile: @unchecked Sendable {
  // Sendable: the map is read-only and its address and length never change.
  public let path: String
  public let identity: FileIdentity
  let buffer: UnsafeRawBufferPointer

  /// - Throws: `.missing`, `.unreadable`.
  public init(path: String) throws(ModelFileError) {
    // O_NONBLOCK: opening a FIFO must not wait for a writer.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      if errno == ENOENT { throw .missing(path: path) }
      throw .unreadable(path: path, reason: String(cString: strerror(errno)))
    }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      throw .unreadable(path: path, reason: String(cString: strerror(errno)))
    }
    guard status.st_mode & S_IFMT == S_IFREG else { throw .unreadable(path: path, reason: "not a regular file") }
    guard let count = Int(exactly: status.st_size), count >= 0 else {
      throw .unreadable(path: path, reason: "size \(status.st_size)")
    }
    self.path = path
    identity = FileIdentity(path: path, status: status)
    guard count > 0 else {
      buffer = UnsafeRawBufferPointer(start: nil, count: 0)
      return
    }
    guard let start = mmap(nil, count, PROT_READ, MAP_PRIVATE, descriptor, 0), start != MAP_FAILED else {
      throw .unreadable(path: path, reason: String(cString: strerror(errno)))
    }
    buffer = UnsafeRawBufferPointer(start: start, count: count)
  }

  /// Nil where there is no such file.
  static func ifPresent(path: String) throws(ModelFileError) -> MappedFile? {
    do {
      return try MappedFile(path: path)
    } catch .missing {
      return nil
    }
  }

  /// Lets go of the pages in this process; they are read again when they are touched.
  func releasePages() {
    guard let start = buffer.baseAddress else { return }
    madvise(UnsafeMutableRawPointer(mutating: start), buffer.count, MADV_DONTNEED)
  }

  /// - Throws: `.changed`, `.missing`, `.unreadable`.
  func checkUnchanged() throws(ModelFileError) {
    var status = stat()
    guard stat(path, &status) == 0 else {
      if errno == ENOENT { throw .missing(path: path) }
      throw .unreadable(path: path, reason: String(cString: strerror(errno)))
    }
    guard FileIdentity(path: path, status: status) == identity else { throw .changed(path: path) }
  }

  deinit {
    if let start = buffer.baseAddress { munmap(UnsafeMutableRawPointer(mutating: start), buffer.count) }
  }
}

/// What tells a file apart from a changed one without reading it.
public struct FileIdentity: Sendable, Hashable {
  public let path: String
  public let device: UInt64
  public let inode: UInt64
  public let sizeBytes: Int
  public let modifiedNanoseconds: Int64

  init(path: String, status: stat) {
    self.path = path
    device = UInt64(status.st_dev)
    inode = UInt64(status.st_ino)
    sizeBytes = Int(status.st_size)
    modifiedNanoseconds = Int64(status.st_mtim.tv_sec) &* 1_000_000_000 &+ Int64(status.st_mtim.tv_nsec)
  }
}

/// A range of a mapped file, which it keeps mapped.
public struct MappedBytes: Sendable {
  let file: MappedFile
  let range: Range<Int>

  public var count: Int { range.count }

  /// Valid while this value, or another reference to its file, lives.
  public var buffer: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: file.buffer[range]) }
}
