import Glibc
import NIOCore

/// Who is at the other end of a control connection, as the kernel noted it when they connected.
struct Peer: Sendable, Equatable {
  let pid: Int32
  let uid: UInt32
  let gid: UInt32

  /// Throws where the channel is no Unix socket or the kernel does not tell.
  static func of(_ channel: any Channel) -> EventLoopFuture<Peer> {
    guard let provider = channel as? any SocketOptionProvider else {
      return channel.eventLoop.makeFailedFuture(IOError(errnoCode: ENOTSOCK, reason: "peer credentials"))
    }
    // The three words of Linux's `struct ucred`, which Swift does not see without _GNU_SOURCE.
    let words: EventLoopFuture<PeerWords> = provider.unsafeGetSocketOption(
      level: .socket, name: .init(rawValue: SO_PEERCRED))
    return words.map { Peer(pid: $0.pid, uid: $0.uid, gid: $0.gid) }
  }
}

private typealias PeerWords = (pid: Int32, uid: UInt32, gid: UInt32)

/// Who may do what. Reads are for whoever the kernel let connect, which the socket's mode 0660 in a 0750 directory leaves
/// to its owner, its group (supplementary members included) and root. Changes are for root and the daemon's own user.
struct AccessPolicy: Sendable {
  let daemonUID: UInt32

  func mayChange(_ peer: Peer) -> Bool { peer.uid == 0 || peer.uid == daemonUID }
}
