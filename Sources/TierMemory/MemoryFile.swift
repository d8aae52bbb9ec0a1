import CLinux
import Glibc

/// Anonymous memory that other processes can be handed: a memfd sealed against resizing, mapped here for writing.
/// Its pages take memory once touched; `decommit` gives them back.
public final class MemoryFile: Sendable {
  public let sizeBytes: Int
  /// Read-write; for the owner, and for the worker whose staging arena it is.
  public let descriptor: Int32
  nonisolated(unsafe) public let base: UnsafeMutableRawPointer

  public init(name: String, sizeBytes: Int) throws(MemoryError) {
    precondition(sizeBytes > 0, "memory has a size")
    let fd = tierd_memfd_create(name, UInt64(sizeBytes))
    guard fd >= 0 else { throw .cannotCreate(name: name, sizeBytes: sizeBytes, errno: errno) }
    guard let map = mmap(nil, sizeBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), map != MAP_FAILED else {
      let code = errno
      close(fd)
      throw .cannotMap(name: name, sizeBytes: sizeBytes, errno: code)
    }
    // Prompts are in here: they stay out of core dumps.
    madvise(map, sizeBytes, MADV_DONTDUMP)
    self.sizeBytes = sizeBytes
    descriptor = fd
    base = map
  }

  public static let hugePageBytes = 2 << 20

  /// Memory in huge pages of the system's reserve, a multiple of which it must be; nil where there are not as many.
  init?(huge name: String, sizeBytes: Int) {
    guard sizeBytes > 0, sizeBytes % Self.hugePageBytes == 0 else { return nil }
    let fd = tierd_memfd_create_huge(name, UInt64(sizeBytes))
    guard fd >= 0 else { return nil }
    guard let map = mmap(nil, sizeBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), map != MAP_FAILED else {
      close(fd)
      return nil
    }
    madvise(map, sizeBytes, MADV_DONTDUMP)
    self.sizeBytes = sizeBytes
    descriptor = fd
    base = map
  }

  /// Huge pages where the system makes them by itself. Where it does not, it stays as it is.
  func preferHugePages() { madvise(base, sizeBytes, MADV_HUGEPAGE) }

  /// How much of it is in such pages now; nil where the system does not say.
  func hugeBytes() -> Int? {
    // The mapping's lines follow one that begins with its addresses.
    let start = String(UInt(bitPattern: base), radix: 16) + "-"
    let lines = SystemText.read("/proc/self/smaps")?.split(separator: "\n") ?? []
    guard let first = lines.firstIndex(where: { $0.hasPrefix(start) || $0.hasPrefix("0" + start) }) else { return nil }
    let line = lines[first...].prefix(30).first { $0.hasPrefix("ShmemPmdMapped:") }
    return line?.split(separator: " ").dropFirst().first.flatMap { Int($0) }.map { $0 << 10 }
  }

  /// Whether the descriptor is memory of that size that nobody can resize.
  static func isWhole(_ descriptor: Int32, sizeBytes: Int) -> Bool {
    tierd_memfd_is_fixed_size(descriptor) && tierd_memfd_size(descriptor) == Int64(sizeBytes)
  }

  /// Maps memory made before; nil where that cannot be. The descriptor stays the caller's.
  init?(duplicating descriptor: Int32, sizeBytes: Int) {
    let fd = fcntl(descriptor, F_DUPFD_CLOEXEC, 3)
    guard fd >= 0 else { return nil }
    guard let map = mmap(nil, sizeBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), map != MAP_FAILED else {
      close(fd)
      return nil
    }
    madvise(map, sizeBytes, MADV_DONTDUMP)
    self.sizeBytes = sizeBytes
    self.descriptor = fd
    base = map
  }

  deinit {
    munmap(base, sizeBytes)
    close(descriptor)
  }

  /// A second descriptor that cannot write; the caller's to close.
  public func readOnlyDescriptor() throws(MemoryError) -> Int32 {
    let fd = tierd_memfd_reopen_readonly(descriptor)
    guard fd >= 0 else { throw .cannotReopen(errno: errno) }
    return fd
  }

  /// Gives the pages of a range back to the system; they read as zero afterwards. Allocates nothing.
  public func decommit(offset: Int, count: Int) throws(MemoryError) {
    precondition(offset >= 0 && count >= 0 && offset + count <= sizeBytes, "the range is inside the file")
    guard tierd_punch_hole(descriptor, Int64(offset), Int64(count)) == 0 else { throw .cannotDecommit(errno: errno) }
  }
}

public enum MemoryError: Error, Sendable, Hashable {
  case cannotCreate(name: String, sizeBytes: Int, errno: Int32)
  case cannotMap(name: String, sizeBytes: Int, errno: Int32)
  case cannotReopen(errno: Int32)
  case cannotDecommit(errno: Int32)
  case device(DeviceError)

  /// One sentence a user can act on.
  public var message: String {
    switch self {
    case .cannotCreate(let name, let bytes, let code):
      "cannot make \(name) of \(bytes) bytes: \(String(cString: strerror(code))); raise the limit of open files or memory"
    case .cannotMap(let name, let bytes, let code):
      "cannot map \(name) of \(bytes) bytes: \(String(cString: strerror(code))); raise the limit of address space"
    case .cannotReopen(let code):
      "cannot reopen memory read-only: \(String(cString: strerror(code))); is /proc mounted?"
    case .cannotDecommit(let code): "cannot give memory back: \(String(cString: strerror(code)))"
    case .device(let error): error.message
    }
  }
}
