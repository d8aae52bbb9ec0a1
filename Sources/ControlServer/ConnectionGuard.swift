import NIOCore
import Synchronization

/// What the connections of all users together and of each may take.
enum ConnectionLimits {
  static let total = 64
  /// Root and the daemon's user always get in below `total`; any other user has these.
  static let perUser = 8
  /// Nothing takes longer: a drain's longest wait, and as much again for slow peers. Whoever trickles bytes ends here.
  static let lifetime = TimeAmount.seconds(120)
  static let idle = TimeAmount.seconds(15)
}

/// How many connections each user has.
final class ConnectionCounts: Sendable {
  private let counts = Mutex<[UInt32: Int]>([:])

  /// False where the user has their share already.
  func enter(_ uid: UInt32, limit: Int) -> Bool {
    counts.withLock { counts in
      guard counts[uid, default: 0] < limit else { return false }
      counts[uid, default: 0] += 1
      return true
    }
  }

  func leave(_ uid: UInt32) {
    counts.withLock { counts in
      let left = counts[uid, default: 0] - 1
      counts[uid] = left > 0 ? left : nil
    }
  }
}

/// Keeps one user from taking every connection, and one connection from being kept for ever.
final class ConnectionGuard: ChannelInboundHandler, RemovableChannelHandler, @unchecked Sendable {
  typealias InboundIn = Any

  // Touched on the channel's event loop only; hence unchecked.
  private var uid: UInt32?
  private var deadline: Scheduled<Void>?
  private let counts: ConnectionCounts
  private let policy: AccessPolicy

  init(counts: ConnectionCounts, policy: AccessPolicy) {
    self.counts = counts
    self.policy = policy
  }

  func channelActive(context: ChannelHandlerContext) {
    let channel = context.channel
    deadline = context.eventLoop.scheduleTask(in: ConnectionLimits.lifetime) { channel.close(promise: nil) }
    Peer.of(channel).whenComplete { result in
      guard case .success(let peer) = result, channel.isActive,
        self.counts.enter(peer.uid, limit: self.limit(peer))
      else { return channel.close(promise: nil) }
      self.uid = peer.uid
    }
    context.fireChannelActive()
  }

  func channelInactive(context: ChannelHandlerContext) {
    deadline?.cancel()
    if let uid { counts.leave(uid) }
    uid = nil
    context.fireChannelInactive()
  }

  private func limit(_ peer: Peer) -> Int {
    policy.mayChange(peer) ? ConnectionLimits.total : ConnectionLimits.perUser
  }
}
