/// Names an arena for the life of the daemon: a region of one tier, of one tenant, with slots of one size.
public struct ArenaID: Sendable, Hashable, Comparable {
  public let rawValue: UInt32
  public init(_ rawValue: UInt32) { self.rawValue = rawValue }
  public static func < (a: ArenaID, b: ArenaID) -> Bool { a.rawValue < b.rawValue }
}

/// A place in an arena: bytes `index * slotBytes ..< (index + 1) * slotBytes`.
public struct SlotRef: Sendable, Hashable {
  public let arena: ArenaID
  public let index: UInt32
  public init(arena: ArenaID, index: UInt32) {
    self.arena = arena
    self.index = index
  }
}
