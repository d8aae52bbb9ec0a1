// Hot restart: memory outlives the daemon, in descriptors that its service manager keeps: the host's, and an emulated
// device's. A new daemon takes the arenas over as they are; what their slots hold is served once it has been verified, and
// free until then to nobody.

/// An arena of memory that an earlier life of the daemon left, and which of its slots say that they hold a block.
public struct FoundArena: Sendable {
  public let id: ArenaID
  /// Device or host.
  public let tier: Tier
  public let tenant: TenantID
  public let slotBytes: Int
  /// The host's node its pages are on now; nil where there are no nodes.
  public let node: Int?
  /// It is given back only whole.
  public let isLasting: Bool
  /// One of each slot: assignments go on from there.
  public let generations: [UInt64]
  public let held: [UInt32]

  public init(
    id: ArenaID, tier: Tier, tenant: TenantID, slotBytes: Int, node: Int? = nil, isLasting: Bool = false,
    generations: [UInt64], held: [UInt32]
  ) {
    self.id = id
    self.node = node
    self.isLasting = isLasting
    self.tier = tier
    self.tenant = tenant
    self.slotBytes = slotBytes
    self.generations = generations
    self.held = held
  }
}

/// A block in a slot of such an arena.
public struct FoundBlock: Sendable, Hashable {
  public let key: BlockKey
  public let layout: BlockLayout
  public let checksum: UInt64

  public init(key: BlockKey, layout: BlockLayout, checksum: UInt64) {
    self.key = key
    self.layout = layout
    self.checksum = checksum
  }
}

extension ResidencyCore {
  /// Takes an arena over. Only before the first sequence is opened, in the order of their ids.
  mutating func adopt(_ arena: FoundArena) {
    lastArena = max(lastArena, arena.id.rawValue)
    // A tier that this life does not have: its arenas are emptied as the budget of nothing demands.
    self[arena.tier].adopt(arena)
    if computeTier == arena.tier { announce(arena.id, to: arena.tenant) }
    mayProceed = true
  }

  /// What was found in a held slot of an adopted arena: a block, its bytes verified, or nil where they are not to be used.
  mutating func adopt(_ block: FoundBlock?, in slot: SlotRef, on tier: Tier) {
    self[tier].settleAdopted(slot)
    guard let block, let handle = intern(block.key, block.layout) else { return release(slot, on: tier) }
    defer { directory.removeIfUnused(handle) }
    guard directory[handle][tier].state == .none, !directory[handle].isSealing,
      directory[handle].checksum == block.checksum || !directory[handle].isAnywhere,
      block.layout.slotBytes == self[tier].slotBytes(of: slot)
    else { return release(slot, on: tier) }
    directory[handle].checksum = block.checksum
    directory[handle].isRetired = false
    var copy = Copy()
    copy.state = .resident
    copy.slot = slot
    copy.generation = self[tier].generation(of: slot)
    directory[handle][tier] = copy
    account(block.layout.slotBytes, .kept, on: tier, of: block.key.tenant)
    statistics.adopted += 1
    relist(handle)
    // A fetch that queued for a place on the host finds the block there.
    if computeTier == .device, tier == .host { advanceFetch(handle) }
    mayProceed = true
  }

  private mutating func release(_ slot: SlotRef, on tier: Tier) {
    emit(.unpublish(slot))
    var steps: [Pool.Step] = []
    self[tier].free(slot, steps: &steps)
    carryOut(steps, on: tier)
    mayProceed = true
  }
}
