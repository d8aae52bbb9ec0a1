/// Why a server cannot listen: one line a user can act on.
public enum WorkerServerError: Error, Sendable, Hashable, CustomStringConvertible {
  case pathTooLong(String, limit: Int)
  case taken(String)
  case notASocket(String)
  case ownedByAnother(String, uid: UInt32)
  case notListening(descriptor: Int32)
  case system(String, Int32)

  public var description: String {
    switch self {
    case .pathTooLong(let path, let limit):
      "the socket path \(path) has \(path.utf8.count) bytes, at most \(limit) are possible: choose a shorter one"
    case .taken(let path): "another server listens on \(path): stop it, or choose another path"
    case .notASocket(let path): "\(path) exists and is no socket: remove it, or choose another path"
    case .ownedByAnother(let path, let uid): "the socket \(path) belongs to uid \(uid): choose another path"
    case .notListening(let descriptor):
      "descriptor \(descriptor) is no listening SOCK_SEQPACKET socket: set ListenSequentialPacket= in the socket unit"
    case .system(let what, let number): "\(what): \(errorText(number))"
    }
  }
}
