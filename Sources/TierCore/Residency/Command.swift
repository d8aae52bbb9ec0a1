/// What the core tells its shell to do. Commands are carried out in order; those with a `MoveID` end, later, in exactly
/// one `Event.moved`.
public enum Command: Sendable, Hashable {
  /// Makes a sparse arena. Its pages take memory once a slot is written, until it is decommitted.
  case openArena(ArenaID, Tier, TenantID, slotBytes: Int, slotCount: Int, ArenaPlace)
  /// Makes a session's staging arena: writable by that worker alone.
  case openStaging(ArenaID, SessionID, slotBytes: Int, slotCount: Int, [StagingShare])
  case closeStaging(ArenaID)
  /// Hands an arena to a session, before any reply that names a slot in it.
  case announce(ArenaID, SessionID)
  /// The slot holds something else from now on: readers of the old generation must notice.
  case assign(SlotRef, generation: UInt64)
  /// Gives the slot's pages back to the system. Not of an arena that is pinned.
  case decommit(SlotRef)
  /// All of the arena is to be in memory from now on, and may be registered with a device.
  case pin(ArenaID)
  /// It is not any more: its slots may be given back one by one.
  case unpin(ArenaID)
  /// Ends the same, and gives all of the arena's pages back. None of its slots is in use.
  case decommitArena(ArenaID)
  /// The slot holds the block from now on, in full: whoever finds its memory later may know.
  case publish(SlotRef, generation: UInt64, BlockKey, BlockLayout, checksum: UInt64)
  /// It does not any more.
  case unpublish(SlotRef)
  /// Copies a staged block into its slot and checksums what arrived.
  case ingest(MoveID, from: SlotRef, to: SlotRef, BlockLayout)
  case copy(MoveID, from: SlotRef, to: SlotRef, BlockLayout)
  case write(MoveID, from: SlotRef, BlockKey, BlockLayout, checksum: UInt64)
  case read(MoveID, BlockKey, BlockLayout, checksum: UInt64, into: SlotRef)
  /// The record is dead: its space may be reused.
  case forget(BlockKey)
  case setDiskCap(bytes: Int)
  case reply(SessionID, Reply)
  /// Ends a session that broke the rules.
  case end(SessionID, Violation)
}
