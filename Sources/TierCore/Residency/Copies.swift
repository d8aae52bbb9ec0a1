// Copies of a block on the tiers of memory: taking a slot, giving it back, and standing in the right eviction list.

extension ResidencyCore {
  /// Gives the block a slot on the tier. Nil where the tier's budget has no room; quotas are the caller's to check.
  mutating func takeSlot(_ handle: BlockHandle, on tier: Tier, as role: Copy.Role, owner: Int32 = -1) -> Bool {
    let block = directory[handle]
    precondition(block[tier].state == .none, "a block has one slot on a tier")
    let bytes = block.layout.slotBytes
    var steps: [Pool.Step] = []
    let next = ArenaID(lastArena + 1)
    guard
      let (slot, generation) = self[tier].allocate(
        tenant: block.key.tenant, slotBytes: bytes, near: tier == .host ? near(block) : NodeOrders.unknown,
        isKept: role == .kept, newArena: next, steps: &steps)
    else { return false }
    carryOut(steps, on: tier)
    // A slot of an arena with that id: it was opened for it.
    if slot.arena == next {
      lastArena += 1
      if tier == computeTier { announce(next, to: block.key.tenant) }
    }
    emit(.assign(slot, generation: generation))
    var copy = Copy()
    copy.state = .arriving
    copy.role = role
    copy.slot = slot
    copy.generation = generation
    copy.ringOwner = owner
    directory[handle][tier] = copy
    account(bytes, role, on: tier, of: block.key.tenant, owner: owner)
    if role == .ring { sequences[owner]?.ring.append(handle) }
    return true
  }

  mutating func nextArena() -> ArenaID {
    lastArena += 1
    return ArenaID(lastArena)
  }

  mutating func carryOut(_ steps: [Pool.Step], on tier: Tier) {
    for step in steps {
      switch step {
      case .open(let arena):
        let place = ArenaPlace(node: self[tier].nodes[arena.node].id, commitment: arena.commitment)
        emit(.openArena(arena.id, tier, arena.tenant, slotBytes: arena.slotBytes, slotCount: arena.slotCount, place))
      case .decommit(let slot): emit(.decommit(slot))
      case .pin(let arena): emit(.pin(arena))
      case .unpin(let arena): emit(.unpin(arena))
      case .decommitArena(let arena): emit(.decommitArena(arena))
      }
    }
  }

  /// Adds to (or, negative, takes from) what a role uses.
  mutating func account(_ bytes: Int, _ role: Copy.Role, on tier: Tier, of tenant: TenantID, owner: Int32 = -1) {
    switch role {
    case .kept:
      self[tier].keptBytes += bytes
      tenants[tenant].kept[tier] += bytes
    case .transit: self[tier].transitBytes += bytes
    case .ring:
      self[tier].ringBytes += bytes
      sequences[owner]?.ringUsed += bytes > 0 ? 1 : -1
    }
  }

  /// Lets go of the block's copy on the tier and frees its slot.
  mutating func dropCopy(_ handle: BlockHandle, on tier: Tier) {
    let copy = directory[handle][tier]
    precondition(copy.state != .none && copy.readers == 0 && !copy.isMoving, "a copy in use is not dropped")
    precondition(tier != computeTier || directory[handle].leases == 0, "a leased block never moves")
    lists.remove(handle, tier, in: &directory)
    leaveRing(handle, copy)
    let tenant = directory[handle].key.tenant
    account(-directory[handle].layout.slotBytes, copy.role, on: tier, of: tenant, owner: copy.ringOwner)
    if copy.state == .resident, copy.role != .ring { emit(.unpublish(copy.slot)) }
    directory[handle][tier] = Copy()
    if tier == computeTier, lists.isIdle(directory[handle].group) { rememberEviction(handle) }
    var steps: [Pool.Step] = []
    self[tier].free(copy.slot, steps: &steps)
    carryOut(steps, on: tier)
    mayProceed = true
    relist(handle)
    directory.removeIfUnused(handle)
  }

  private mutating func leaveRing(_ handle: BlockHandle, _ copy: Copy) {
    guard copy.role == .ring, let sequence = sequences[copy.ringOwner],
      let place = sequence.ring.firstIndex(of: handle)
    else { return }
    sequence.ring.remove(at: place)
  }

  /// The copy may outlive the daemon. What streams does not stay long enough.
  mutating func publish(_ handle: BlockHandle, on tier: Tier) {
    let block = directory[handle]
    emit(
      .publish(
        block[tier].slot, generation: block[tier].generation, block.key, block.layout, checksum: block.checksum))
  }

  /// Makes a ring or transit copy a kept one.
  mutating func keep(_ handle: BlockHandle, on tier: Tier) {
    let copy = directory[handle][tier]
    let (tenant, bytes) = (directory[handle].key.tenant, directory[handle].layout.slotBytes)
    leaveRing(handle, copy)
    account(-bytes, copy.role, on: tier, of: tenant, owner: copy.ringOwner)
    account(bytes, .kept, on: tier, of: tenant)
    if copy.role == .ring, copy.state == .resident { publish(handle, on: tier) }
    directory[handle][tier].role = .kept
    directory[handle][tier].ringOwner = -1
    directory[handle][tier].prefetchedFor = nil
    relist(handle)
    mayProceed = true
  }

  /// Puts the block's copies into the eviction lists they belong to now. Called after every change of state.
  mutating func relist(_ handle: BlockHandle) {
    relist(handle, .device)
    relist(handle, .host)
  }

  private mutating func relist(_ handle: BlockHandle, _ tier: Tier) {
    let block = directory[handle]
    let list = lists.list(of: block, on: tier, computeTier: computeTier)
    guard list != block[tier].list else { return }
    lists.remove(handle, tier, in: &directory)
    if list >= 0 { lists.append(handle, tier, to: list, in: &directory) }
  }

  /// Moves the block's copies to the lists of another group.
  mutating func regroup(_ handle: BlockHandle, to group: Int32) {
    guard directory[handle].group != group else { return }
    directory[handle].group = group
    relist(handle)
  }
}
