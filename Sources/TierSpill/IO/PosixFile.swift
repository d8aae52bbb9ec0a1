import Glibc

/// An open file by its descriptor; pread and pwrite from any thread.
final class PosixFile: SpillFile {
  let name: String
  private let fd: Int32

  init(fd: Int32, name: String) {
    self.fd = fd
    self.name = name
  }

  func close() { Glibc.close(fd) }

  func bytes() throws(SpillError) -> Int {
    var status = stat()
    guard fstat(fd, &status) == 0 else { throw failure("inspection") }
    return Int(status.st_size)
  }

  func write(_ source: UnsafeRawBufferPointer, at offset: Int) throws(SpillError) {
    var done = 0
    while done < source.count {
      let n = pwrite(fd, source.baseAddress! + done, source.count - done, offset + done)
      if n < 0 && errno == EINTR { continue }
      if n < 0 { throw failure("writing") }
      if n == 0 { throw .diskFull(file: name) }
      done += n
    }
  }

  func read(into destination: UnsafeMutableRawBufferPointer, at offset: Int) throws(SpillError) -> Int {
    var done = 0
    while done < destination.count {
      let n = pread(fd, destination.baseAddress! + done, destination.count - done, offset + done)
      if n < 0 && errno == EINTR { continue }
      if n < 0 { throw failure("reading") }
      done += n
      // At the end of the file; an unaligned rest could not be asked for directly anyway.
      if n == 0 || done % RecordHeader.leastAlignBytes != 0 { break }
    }
    return done
  }

  func truncate(to bytes: Int) throws(SpillError) {
    while ftruncate(fd, bytes) != 0 { if errno != EINTR { throw failure("truncation") } }
  }

  func syncData() throws(SpillError) {
    while fdatasync(fd) != 0 { if errno != EINTR { throw failure("sync") } }
  }

  private func failure(_ operation: String) -> SpillError {
    SpillError.from(operation: operation, file: name, errno: errno)
  }
}
