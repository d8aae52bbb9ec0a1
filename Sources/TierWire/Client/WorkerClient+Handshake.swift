import CLinux
import Glibc
import TierCore

extension WorkerClient {
  static func connect(_ socket: FrameSocket, to path: String, timeoutMs: Int) throws(ResidencyError) {
    let timeoutMs = min(max(timeoutMs, 1), Deadline.maxWaitMs)
    guard tierd_set_send_timeout(socket.descriptor, Int64(timeoutMs)) == 0 else {
      throw .unavailable("cannot prepare a socket: \(errorText(errno))")
    }
    while tierd_connect(socket.descriptor, path) != 0 {
      switch errno {
      case EINTR: continue
      case ENOENT: throw .unavailable("no daemon at \(path): is tierd running?")
      case ECONNREFUSED: throw .unavailable("no daemon listens on \(path): is tierd running?")
      case EACCES: throw .unavailable("no permission to connect to \(path): are you in the daemon's group?")
      case EAGAIN: throw .unavailable("the daemon at \(path) accepted no connection within \(timeoutMs) ms")
      case EPROTOTYPE, ENOTSOCK: throw .unavailable("\(path) is no worker socket of a daemon")
      case ENAMETOOLONG: throw .unavailable("the socket path \(path) is too long: at most 107 bytes are possible")
      case let cause: throw .unavailable("cannot connect to \(path): \(errorText(cause))")
      }
    }
  }

  /// Whoever squats the path must not get to hand this process memory.
  static func verify(_ socket: FrameSocket, path: String, servers: Set<UInt32>) throws(ResidencyError) -> Int32 {
    var peer = tierd_peer()
    guard tierd_peer_credentials(socket.descriptor, &peer) == 0 else {
      throw .unavailable("cannot tell who listens on \(path): \(errorText(errno))")
    }
    guard isTrusted(server: peer.uid, by: geteuid(), servers) else {
      throw .unavailable("uid \(peer.uid) listens on \(path), neither root nor you: not trusted")
    }
    return peer.pid
  }

  static func isTrusted(server: UInt32, by own: UInt32, _ servers: Set<UInt32>) -> Bool {
    server == 0 || server == own || servers.contains(server)
  }

  static func greet(
    _ socket: FrameSocket, _ channel: inout ClientChannel, name: String, deadline: Deadline
  ) throws(ResidencyError) -> Welcome {
    let printable = String(String.UnicodeScalarView(name.unicodeScalars.filter(Hello.isPrintable)))
    let hello = Hello(minVersion: ProtocolVersion.min, maxVersion: ProtocolVersion.max, clientName: printable)
    let frame: [UInt8]
    do throws(FrameError) {
      frame = try ClientMessage.hello(hello).frame()
    } catch {
      throw .violated(error.message)
    }
    switch socket.send(frame, wait: true) {
    // Where the daemon hung up on the caller already, it has said why.
    case .sent, .gone: break
    case .full: throw .unavailable("the daemon took no hello in time")
    case .failed(let cause): throw .unavailable("cannot send to the daemon: \(errorText(cause))")
    }
    guard let (message, descriptors) = try channel.message(timeoutMs: max(deadline.remainingMs, 1)) else {
      throw .unavailable("the daemon did not answer in time")
    }
    for descriptor in descriptors { close(descriptor) }
    switch message {
    case .welcome(let welcome):
      guard welcome.version >= hello.minVersion, welcome.version <= hello.maxVersion else {
        throw .incompatible("the daemon chose version \(welcome.version) of the worker protocol, which was not offered")
      }
      return welcome
    case .failure(let failure): throw ClientChannel.error(failure)
    case .arenas, .replies, .statistics, .trace: throw .violated("the daemon's first frame is no welcome")
    }
  }
}
