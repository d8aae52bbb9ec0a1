import CLinux
import Glibc

/// A descriptor the service manager passed, under the name its unit or an earlier process gave it.
public struct PassedDescriptor: Sendable, Hashable {
  /// What the kernel says it is. Nothing is to be done with a descriptor that is not of the kind its name promises.
  public enum Kind: Sendable, Hashable {
    /// A SOCK_SEQPACKET Unix socket that listens, and the path it is bound to.
    case listeningSequentialPacket(path: String)
    /// A memory file sealed against growing and shrinking: it can be mapped without fear of SIGBUS.
    case memoryFile(sizeBytes: Int)
    /// In words, for messages.
    case other(String)
  }

  public let name: String
  public let descriptor: Int32
  public let kind: Kind

  public init(name: String, descriptor: Int32, kind: Kind) {
    self.name = name
    self.descriptor = descriptor
    self.kind = kind
  }

  /// systemd's own rule for FDNAME=.
  public static func isUsable(name: String) -> Bool {
    (1...ServiceManager.nameBytesMax).contains(name.utf8.count)
      && name.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F && $0 != UInt8(ascii: ":") }
  }
}

/// Descriptors announced by LISTEN_FDS, not looked at yet.
struct PassedDescriptors: Sendable {
  /// SD_LISTEN_FDS_START
  static let first: Int32 = 3

  let first: Int32
  let names: [String]

  /// Makes each close-on-exec and says what it is.
  func inspect() throws(ServiceManagerError) -> [PassedDescriptor] {
    var found: [PassedDescriptor] = []
    for (index, name) in names.enumerated() {
      let descriptor = first + Int32(index)
      guard fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0 else {
        throw .missingDescriptor(descriptor, errno: errno)
      }
      found.append(PassedDescriptor(name: name, descriptor: descriptor, kind: try Self.kind(of: descriptor)))
    }
    return found
  }

  private static func kind(of descriptor: Int32) throws(ServiceManagerError) -> PassedDescriptor.Kind {
    if tierd_is_listening(descriptor) { return .listeningSequentialPacket(path: try path(of: descriptor)) }
    if tierd_memfd_is_fixed_size(descriptor) {
      let bytes = tierd_memfd_size(descriptor)
      guard bytes >= 0 else { throw .missingDescriptor(descriptor, errno: errno) }
      return .memoryFile(sizeBytes: Int(bytes))
    }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw .missingDescriptor(descriptor, errno: errno) }
    switch status.st_mode & S_IFMT {
    case S_IFSOCK: return .other("a socket that is not SOCK_SEQPACKET or does not listen")
    case S_IFREG: return .other("a file whose size is not sealed")
    case S_IFIFO: return .other("a pipe")
    case S_IFDIR: return .other("a directory")
    default: return .other("a device or another special file")
    }
  }

  private static func path(of socket: Int32) throws(ServiceManagerError) -> String {
    var bytes = [CChar](repeating: 0, count: Int(TIERD_MAX_SOCKET_PATH) + 1)
    guard tierd_bound_path(socket, &bytes) == 0 else { throw .missingDescriptor(socket, errno: errno) }
    return String(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
