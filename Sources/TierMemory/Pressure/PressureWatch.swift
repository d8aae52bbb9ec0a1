import CLinux
import Glibc

/// What is waited on to hear of memory pressure: a file that the kernel signals, or a pipe or socket that the service
/// manager writes to. systemd's protocol: https://systemd.io/MEMORY_PRESSURE/
final class PressureWatch {
  /// Whether it speaks for this process's own memory, so that hearing from it is reason enough.
  let isAuthority: Bool
  let path: String
  private let fd: Int32
  private let events: Int16
  private(set) var isOpen = true

  enum Fault: Error, Equatable {
    case cannotOpen(String, errno: Int32)
    case badEncoding

    var message: String {
      switch self {
      case .cannotOpen(let path, let code): "cannot watch \(path): \(String(cString: strerror(code)))"
      case .badEncoding: "MEMORY_PRESSURE_WRITE is not Base64"
      }
    }
  }

  /// A trigger of the kernel's, in the widest form it grants without privilege: a tenth of two seconds spent waiting.
  static let trigger = Array("some 200000 2000000\0".utf8)

  private init(_ path: String, fd: Int32, events: Int32, isAuthority: Bool) {
    self.path = path
    self.fd = fd
    self.events = Int16(events)
    self.isAuthority = isAuthority
  }

  deinit { if isOpen { close(fd) } }

  /// What the service manager offers; nil where it offers nothing, or says not to watch.
  static func offered(_ environment: [String: String]) throws(Fault) -> PressureWatch? {
    guard let path = environment["MEMORY_PRESSURE_WATCH"], path != "/dev/null", !path.isEmpty else { return nil }
    guard let message = base64(environment["MEMORY_PRESSURE_WRITE"] ?? "") else { throw .badEncoding }
    return try PressureWatch.open(path, message, isAuthority: true)
  }

  /// A trigger on one of the kernel's `memory.pressure` files.
  static func kernel(_ path: String) throws(Fault) -> PressureWatch {
    try open(path, trigger, isAuthority: false)
  }

  private static func open(_ path: String, _ message: [UInt8], isAuthority: Bool) throws(Fault) -> PressureWatch {
    var info = stat()
    guard stat(path, &info) == 0 else { throw .cannotOpen(path, errno: errno) }
    let kind = info.st_mode & S_IFMT
    let fd = kind == S_IFSOCK ? connect(path) : Glibc.open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
    guard fd >= 0 else { throw .cannotOpen(path, errno: errno) }
    // A file of the kernel's signals out of band; what comes through a pipe or a socket is read.
    let isFile = kind == S_IFREG
    let watch = PressureWatch(path, fd: fd, events: isFile ? POLLPRI : POLLIN, isAuthority: isAuthority)
    guard message.isEmpty || Glibc.write(fd, message, message.count) == message.count else {
      throw .cannotOpen(path, errno: errno)
    }
    return watch
  }

  private static func connect(_ path: String) -> Int32 {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(path.utf8)
    guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
      errno = ENAMETOOLONG
      return -1
    }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
    let fd = socket(
      AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
    guard fd >= 0 else { return -1 }
    let result = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Glibc.connect(fd, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    guard result == 0 else {
      let code = errno
      close(fd)
      errno = code
      return -1
    }
    return fd
  }

  var pollEntry: pollfd { pollfd(fd: isOpen ? fd : -1, events: events, revents: 0) }

  /// Takes in what poll said; answers whether there was news of pressure. A watch whose other end is gone is closed.
  func hear(_ revents: Int16) -> Bool {
    guard isOpen, revents != 0 else { return false }
    var isNews = revents & events != 0
    if isNews, events == Int16(POLLIN) { isNews = drain() }
    if !isNews || revents & Int16(POLLERR | POLLHUP | POLLNVAL) != 0 {
      close(fd)
      isOpen = false
    }
    return isNews
  }

  /// What is written says nothing: that it is written does. False at its end.
  private func drain() -> Bool {
    var buffer: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0, 0, 0)
    var hasRead = false
    // Who writes faster than this is heard again.
    for _ in 0..<64 {
      let count = withUnsafeMutableBytes(of: &buffer) { read(fd, $0.baseAddress, $0.count) }
      if count <= 0 { return hasRead || (count < 0 && (errno == EAGAIN || errno == EINTR)) }
      hasRead = true
    }
    return true
  }

  /// Nil where the text is not Base64.
  static func base64(_ text: String) -> [UInt8]? {
    let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    let letters = Array(text.utf8)
    let end = letters.firstIndex(of: UInt8(ascii: "=")) ?? letters.count
    guard letters.count % 4 == 0, letters.count - end <= 2, letters[end...].allSatisfy({ $0 == UInt8(ascii: "=") })
    else { return nil }
    var (result, bits, count) = ([UInt8](), UInt32(0), 0)
    for letter in letters[..<end] {
      guard let value = digits.firstIndex(of: letter) else { return nil }
      bits = bits << 6 | UInt32(value)
      count += 6
      guard count >= 8 else { continue }
      count -= 8
      result.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
    }
    return result
  }
}
