import CLinux
import Glibc

/// A service manager's notification socket, read by hand. Closes, and removes its path, with the last reference.
public final class FakeManager {
  /// What NOTIFY_SOCKET says.
  public let address: String
  let descriptor: Int32
  private let directory: String

  public struct Failure: Error {
    let code = errno
  }

  public struct Message {
    /// The assignments, one a line.
    public let lines: [String]
    /// The reader's to close.
    public let descriptors: [Int32]
  }

  public convenience init(isAbstract: Bool = false) throws {
    var template = Array("/tmp/tierd-manager-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw Failure() }
    let directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    if isAbstract { rmdir(directory) }
    try self.init(at: (isAbstract ? "@" : "") + directory + "/notify")
  }

  /// At an address one before it had.
  public init(at address: String) throws {
    self.address = address
    directory = String(address.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 })
    if !address.hasPrefix("@") { mkdir(directory, 0o700) }
    descriptor = try Self.bind(address)
  }

  deinit {
    close(descriptor)
    guard !address.hasPrefix("@") else { return }
    unlink(address)
    rmdir(directory)
  }

  private static func bind(_ address: String) throws -> Int32 {
    let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    var name = sockaddr_un()
    name.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &name.sun_path) { bytes in
      bytes.copyBytes(from: address.utf8)
      if address.hasPrefix("@") { bytes[0] = 0 }
    }
    let size = MemoryLayout<sockaddr_un>.offset(of: \.sun_path)! + address.utf8.count
    let bound = withUnsafePointer(to: &name) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.bind(descriptor, $0, socklen_t(size)) }
    }
    guard descriptor >= 0, bound == 0 else { throw Failure() }
    return descriptor
  }

  /// What waits to be read; nil where nothing does.
  public func next() -> Message? {
    var bytes = [UInt8](repeating: 0, count: 1 << 16)
    var descriptors = [Int32](repeating: -1, count: Int(TIERD_MAX_DESCRIPTORS))
    var (count, flags): (Int32, Int32) = (0, 0)
    let size = tierd_receive(descriptor, &bytes, bytes.count, &descriptors, &count, &flags, false)
    guard size >= 0 else { return nil }
    let text = String(decoding: bytes[..<size], as: UTF8.self)
    return Message(
      lines: text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init),
      descriptors: Array(descriptors[..<Int(count)]))
  }
}
