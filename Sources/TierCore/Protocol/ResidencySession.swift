/// One worker's hold on the store: the connection *is* the lease. The engine implements it in-process, the client
/// in `TierWire` over the socket; one conformance suite runs against both.
///
/// A session is used by one thread that sends and receives; `bytes(of:)` may be called from any thread.
///
/// Life of a block, seen from here:
/// `reserve` → write its staging slot → `seal` → (`sealed` → `durable`) → `acquire` → `ready` → read → `release`.
public protocol ResidencySession: AnyObject, Sendable {
  /// Sends a request. Bounded: throws `unavailable` rather than wait longer than the session's deadline.
  func send(_ request: Request) throws(ResidencyError)
  /// The next reply, in the order the store sent them; nil if none came within `timeoutMs` (0 polls).
  func receive(timeoutMs: Int) throws(ResidencyError) -> Reply?
  /// The read-only bytes of a leased slot. Valid until the lease ends. `badSlot` where they are in a device's memory.
  func bytes(of slot: SlotRef) throws(ResidencyError) -> UnsafeRawBufferPointer
  /// Copies the first bytes of a leased slot, wherever they are.
  func read(_ slot: SlotRef, into bytes: UnsafeMutableRawBufferPointer) throws(ResidencyError)
  /// The writable bytes of a staging slot of this session.
  func stagingBytes(arena: ArenaID, slot: UInt32) throws(ResidencyError) -> UnsafeMutableRawBufferPointer
  /// Whether the slot still holds what was leased at `generation`. Checked after the bytes were used and before the
  /// result is: a mismatch discards it.
  func isCurrent(_ slot: SlotRef, generation: UInt64) -> Bool
  /// Counters of the store, for the table at the end of a run.
  func statistics() throws(ResidencyError) -> StoreStatistics
  /// Ends the session: all its leases and staged blocks are free. Idempotent.
  func end()
}

extension ResidencySession {
  public func read(_ slot: SlotRef, into bytes: UnsafeMutableRawBufferPointer) throws(ResidencyError) {
    bytes.copyMemory(from: UnsafeRawBufferPointer(rebasing: try self.bytes(of: slot)[..<bytes.count]))
  }
}

public enum ResidencyError: Error, Sendable, Hashable {
  /// The store is gone or does not answer in time.
  case unavailable(String)
  /// The store ended this session for breaking the protocol.
  case violated(String)
  /// The store speaks no protocol version this client knows.
  case incompatible(String)
  /// A slot or an arena that was never handed to this session, or memory that cannot be mapped.
  case badSlot(String)

  public var message: String {
    switch self {
    case .unavailable(let text), .violated(let text), .incompatible(let text), .badSlot(let text): text
    }
  }
}
