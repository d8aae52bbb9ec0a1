/// What a store shows to whatever serves it to workers, so that neither knows the other: the engine implements
/// `SessionHost` and `HostedSession`, the server implements `ReplyOutbox`.
public protocol SessionHost: Sendable {
  /// Called once per connection, after its hello, on that connection's thread. Replies go to `outbox`, in order, from
  /// any thread; they may be sent before this returns. To refuse, throw: a `ResidencyError`'s message is told to the
  /// worker, of any other error only its description.
  func connect(peer: PeerCredentials, outbox: any ReplyOutbox) throws -> any HostedSession
}

/// One worker's session, as its connection sees it. All are called on the connection's thread, one at a time.
public protocol HostedSession: AnyObject, Sendable {
  /// Answers go to the outbox, now or later. Must not wait for anything a worker does.
  func handle(_ request: Request)
  func statistics() -> StoreStatistics
  /// What was recorded since the last call, `MoveTrace.maxRecords` at most; the first starts recording.
  func takeTrace() -> MoveTrace
  /// The connection is gone, for whatever reason. Called exactly once, after the last `handle`.
  func disconnect()
}

/// Where a session's replies go. Never blocks and never calls back into the session, so that it may be used under a
/// lock of the store. What is sent after the connection ended goes nowhere.
public protocol ReplyOutbox: AnyObject, Sendable {
  /// Sends replies, in order. A connection whose worker does not read, so that more than
  /// `ProtocolLimits.queuedReplies` wait for it, is ended.
  func send(_ replies: [Reply])
  /// Hands arenas over, before any reply that names a slot in them.
  func announce(_ arenas: [ArenaAnnouncement])
  /// Ends the connection, after telling why where there is a violation. Idempotent.
  func end(_ violation: Violation?)
}

/// One region of memory handed to a worker.
public struct ArenaAnnouncement: Sendable, Hashable {
  /// What a worker may do with the region. Raw values are part of the worker protocol.
  public enum Role: UInt8, Sendable, Hashable, CaseIterable {
    /// Slots of sealed blocks: the descriptor is read-only.
    case data = 1
    /// Slots this worker alone writes: the descriptor is read-write.
    case staging = 2
    /// One little-endian `UInt64` generation per slot of the data arena with the same id: `slotBytes` is 8, the
    /// descriptor is read-only.
    case generations = 3
  }

  public let arena: ArenaID
  public let tier: Tier
  public let role: Role
  public let slotBytes: Int
  public let slotCount: Int
  /// Of a file: a memfd sealed with `F_SEAL_SHRINK | F_SEAL_GROW`, at least `slotBytes * slotCount` long. Of CUDA memory:
  /// its shareable handle. Borrowed for the call: it stays its owner's to close, and may be closed as soon as `announce`
  /// returned.
  public let descriptor: Int32
  public let memory: ArenaMemory

  public init(
    arena: ArenaID, tier: Tier, role: Role, slotBytes: Int, slotCount: Int, descriptor: Int32,
    memory: ArenaMemory = .file
  ) {
    self.arena = arena
    self.tier = tier
    self.role = role
    self.slotBytes = slotBytes
    self.slotCount = slotCount
    self.descriptor = descriptor
    self.memory = memory
  }
}

/// What a region is made of, and so how it is mapped.
public enum ArenaMemory: Sendable, Hashable {
  /// A memory file: mmap.
  case file
  /// Memory of the CUDA device with this UUID (16 bytes), imported as a POSIX descriptor of a shareable handle;
  /// `allocationBytes` are mapped at once, of which the slots are the first.
  case cuda(device: [UInt8], allocationBytes: Int)
}

/// Who is at the other end, as the kernel says (`SO_PEERCRED`), and what it calls itself.
public struct PeerCredentials: Sendable, Hashable {
  public let pid: Int32
  public let uid: UInt32
  public let gid: UInt32
  /// The worker's own words, for people to read: printable, at most `ProtocolLimits.clientNameBytes`, not to be trusted.
  public let clientName: String

  public init(pid: Int32, uid: UInt32, gid: UInt32, clientName: String) {
    self.pid = pid
    self.uid = uid
    self.gid = gid
    self.clientName = clientName
  }
}

/// Limits both ends of the worker protocol keep to. A worker that needs more sends several requests.
public enum ProtocolLimits {
  /// Blocks one `extend`, `reserve`, `seal`, `acquire` or `release` may name.
  public static let blocksPerRequest = 1024
  /// Bytes of one frame.
  public static let frameBytes = 64 << 10
  /// Descriptors in one message, and so arenas in one announcement frame.
  public static let descriptorsPerMessage = 16
  /// Frames of replies that wait for a worker to read before it is disconnected.
  public static let queuedReplies = 4096
  /// Bytes of a client's name.
  public static let clientNameBytes = 64
}
