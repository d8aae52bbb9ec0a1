// Streaming: blocks that are not kept on the compute tier pass through a sequence's ring, in the order of its plan.

extension ResidencyCore {
  /// Sends for what the sequence waits for, in the order it asked, then for what it will want next.
  mutating func stream(_ sequence: Sequence) {
    guard sequence.state == .admitted else { return }
    grantInOrder(sequence)
    resendHead(sequence)
    while let cell = sequence.wanted.first {
      if sequence.flags[cell].contains(.wanted) {
        guard sendFor(sequence.handles[cell], sequence, reclaiming: .spare) else { return }
      }
      _ = sequence.wanted.popFirst()
    }
    if sequence.plan.isPlanned { prefetch(sequence) }
  }

  /// Whether the block is on its way (or lost for good): false means that it must wait for a slot.
  mutating func sendFor(_ handle: BlockHandle, _ sequence: Sequence, reclaiming reclaim: Reclaim) -> Bool {
    let block = directory[handle]
    if block[computeTier].state != .none { return true }
    if block.isSealing { return false }
    guard block.isAnywhere else {
      loseWaiters(handle)
      return true
    }
    return takeRingSlot(handle, sequence, reclaiming: reclaim)
  }

  private mutating func prefetch(_ sequence: Sequence) {
    let layers = sequence.plan.layers
    while sequence.prefetch.step < sequence.step + layers {
      let layer = sequence.prefetch.step % layers
      // The next chunk reads what this one has written, too.
      let isNextChunk = sequence.prefetch.step / layers > sequence.step / layers
      let end = min(sequence.window.upperBound + (isNextChunk ? sequence.plan.chunkBlocks : 0), sequence.named)
      if sequence.plan.isHybrid {
        let first = sequence.plan.reach[layer].firstBlock(before: end, blockTokens: sequence.plan.layout.blockTokens)
        sequence.prefetch.block = max(sequence.prefetch.block, first)
      }
      while sequence.prefetch.block < end {
        let handle = sequence.handles[sequence.cell(layer, sequence.prefetch.block)]
        let block = directory[handle]
        if block[computeTier].state == .none, block.isAnywhere {
          guard takeRingSlot(handle, sequence, reclaiming: .nothing) else { return }
          directory[handle][computeTier].prefetchedFor = sequence.prefetch
        }
        sequence.prefetch.block += 1
      }
      sequence.prefetch.step += 1
      sequence.prefetch.block = sequence.window.lowerBound
    }
  }

  /// Gives the block a slot in the sequence's ring and starts it on its way.
  private mutating func takeRingSlot(_ handle: BlockHandle, _ sequence: Sequence, reclaiming reclaim: Reclaim) -> Bool {
    if sequence.ringUsed >= sequence.ringLimit {
      guard reclaim != .nothing, reclaimRingSlot(sequence, reclaim) else { return false }
    }
    guard makeRoom(directory[handle].layout.slotBytes, on: computeTier, for: Claim(tenant: sequence.tenant)),
      takeSlot(handle, on: computeTier, as: .ring, owner: sequence.group)
    else { return false }
    advanceFetch(handle)
    return true
  }

  /// Whose ring slot a block may take that is wanted sooner.
  enum Reclaim {
    case nothing
    /// Of a block that was prefetched, and nobody waits for.
    case spare
    /// Also of one that waits for its turn to be leased: the first in turn comes before all of them.
    case awaited
  }

  /// Frees the ring slot of a block that nobody holds: the one needed last. It will have to be sent for again, so the
  /// prefetch goes back to it.
  private mutating func reclaimRingSlot(_ sequence: Sequence, _ reclaim: Reclaim) -> Bool {
    for handle in sequence.ring.reversed() {
      let place = directory[handle][computeTier].prefetchedFor
      // Who awaits it in order sends for it again in its turn.
      guard dropIfSpare(handle, mayBeAwaited: reclaim == .awaited) else { continue }
      // Not to before the step in use: a worker that jumped ahead leaves places behind it, any number of steps away.
      let first = PrefetchCursor(step: sequence.step + 1, block: sequence.window.lowerBound)
      if let place { sequence.prefetch = min(sequence.prefetch, max(place, first)) }
      return true
    }
    return false
  }

  @discardableResult
  mutating func dropIfSpare(_ handle: BlockHandle, mayBeAwaited: Bool = false) -> Bool {
    let block = directory[handle]
    let copy = block[computeTier]
    guard copy.state == .resident, copy.readers == 0, block.leases == 0, mayBeAwaited || waiters.isEmpty(handle),
      block.isClean(on: computeTier)
    else { return false }
    dropCopy(handle, on: computeTier)
    return true
  }

  /// Starts the next move of a block that has a slot on the compute tier and no bytes there yet.
  mutating func advanceFetch(_ handle: BlockHandle) {
    let block = directory[handle]
    guard block[computeTier].state == .arriving, !block[computeTier].isMoving else { return }
    if computeTier == .host {
      startRead(handle, .host)
    } else if block.host.state == .resident {
      directory[handle].host.readers += 1
      directory[handle].device.isMoving = true
      relist(handle)
      let move = begin(.promote(handle))
      emit(.copy(move, from: block.host.slot, to: block.device.slot, block.layout))
    } else if block.host.state == .none {
      readQueue.append(handle)
      mayProceed = true
    }
  }

  /// Reads queued blocks from disk into transit slots of the host, in order.
  mutating func serveReads() {
    while let handle = readQueue.first {
      let block = directory[handle]
      let isDue = block.device.state == .arriving && !block.device.isMoving && block.host.state == .none
      if isDue {
        guard block.isOnDisk else {
          _ = readQueue.popFirst()
          fetchFailed(handle)
          continue
        }
        guard takeTransitSlot(handle) else { return }
        startRead(handle, .host)
      }
      _ = readQueue.popFirst()
    }
  }

  mutating func takeTransitSlot(_ handle: BlockHandle) -> Bool {
    let (tenant, bytes) = (directory[handle].key.tenant, directory[handle].layout.slotBytes)
    return host.transitBytes + bytes <= host.transitLimitBytes
      && makeRoom(bytes, on: .host, for: Claim(tenant: tenant)) && takeSlot(handle, on: .host, as: .transit)
  }

  private mutating func startRead(_ handle: BlockHandle, _ tier: Tier) {
    directory[handle][tier].isMoving = true
    directory[handle].disk.isBeingRead = true
    let block = directory[handle]
    let move = begin(.read(handle, tier))
    emit(.read(move, block.key, block.layout, checksum: block.checksum, into: block[tier].slot))
  }

  mutating func finishRead(_ handle: BlockHandle, _ tier: Tier, verified: Bool) {
    directory[handle].disk.isBeingRead = false
    directory[handle][tier].isMoving = false
    if verified {
      count(\.diskToHost, bytes: directory[handle].layout.payloadBytes)
      arrived(handle, on: tier)
      return
    }
    // Bytes that cannot be verified are no bytes: the record goes, and with it the block if it was the only copy.
    forgetRecord(handle)
    dropArriving(handle, tier)
    if tier != computeTier, directory[handle].device.state == .arriving { fetchFailed(handle) }
  }

  mutating func finishPromotion(_ handle: BlockHandle, arrived isHere: Bool) {
    directory[handle].host.readers -= 1
    directory[handle].device.isMoving = false
    if isHere {
      count(\.hostToDevice, bytes: directory[handle].layout.payloadBytes)
      arrived(handle, on: .device)
    } else {
      fetchFailed(handle)
    }
    settleTransit(handle)
  }

  /// The fetch of a block ended without its bytes.
  private mutating func fetchFailed(_ handle: BlockHandle) { dropArriving(handle, computeTier) }

  /// Gives up a slot whose bytes did not come.
  mutating func dropArriving(_ handle: BlockHandle, _ tier: Tier) {
    guard directory[handle][tier].state == .arriving else { return }
    if tier == computeTier { loseWaiters(handle) }
    dropCopy(handle, on: tier)
  }

  /// The block's bytes are in its slot on the tier.
  mutating func arrived(_ handle: BlockHandle, on tier: Tier) {
    directory[handle][tier].state = .resident
    relist(handle)
    if directory[handle][tier].role != .ring { publish(handle, on: tier) }
    if tier == computeTier {
      grantWaiters(handle)
      if directory[handle][tier].role == .ring, directory[handle].leases == 0 { adoptOrphan(handle) }
    } else {
      advanceFetch(handle)
    }
    settleTransit(handle)
    mayProceed = true
  }

  /// A block that came for a sequence which has ended meanwhile.
  private mutating func adoptOrphan(_ handle: BlockHandle) {
    guard sequences[directory[handle][computeTier].ringOwner] == nil else { return }
    settleRing(handle)
  }

  /// A ring slot whose block was used: the block stays if there is room to keep it, else it goes.
  mutating func settleRing(_ handle: BlockHandle) {
    let block = directory[handle]
    guard block[computeTier].state == .resident, block[computeTier].role == .ring, block.leases == 0,
      block[computeTier].readers == 0
    else { return }
    let isPlanned = sequences[block[computeTier].ringOwner]?.plan.isPlanned ?? true
    let (tenant, bytes) = (block.key.tenant, block.layout.slotBytes)
    if canKeep(bytes, of: tenant, on: computeTier) || !block.isClean(on: computeTier)
      || (!isPlanned && makeKeepRoom(bytes, of: tenant, on: computeTier))
      || claimGuaranteed(handle, on: computeTier, isRoomNeeded: false)
    {
      keep(handle, on: computeTier)
    } else {
      dropCopy(handle, on: computeTier)
    }
  }

  /// A transit slot of the host whose block has arrived where it was going.
  mutating func settleTransit(_ handle: BlockHandle) {
    let block = directory[handle]
    guard block.host.state == .resident, block.host.role == .transit, block.host.readers == 0 else { return }
    if canKeep(block.layout.slotBytes, of: block.key.tenant, on: .host)
      || claimGuaranteed(handle, on: .host, isRoomNeeded: false)
    {
      keep(handle, on: .host)
    } else if block.isOnDisk, computeTier == .host || block.device.state != .arriving || block.device.isMoving {
      if computeTier == .host && block.leases > 0 { return }
      dropCopy(handle, on: .host)
    }
  }

  /// What a closing sequence's ring holds stays if there is room, and goes otherwise.
  mutating func abandonRing(of sequence: Sequence) {
    // Slots let go with the sequence's leases have no owner any more.
    for handle in sequence.ring where directory[handle][computeTier].ringOwner == sequence.group {
      directory[handle][computeTier].ringOwner = -1
      let block = directory[handle]
      if block[computeTier].state == .resident {
        settleRing(handle)
      } else if !block[computeTier].isMoving {
        rerouteFetch(handle)
      }
    }
    sequence.ring.removeAll()
  }

  /// A fetch that has not started loses its slot; other sequences that wait for the block send for it themselves.
  private mutating func rerouteFetch(_ handle: BlockHandle) {
    dropCopy(handle, on: computeTier)
    for waiter in waiters.of(handle) {
      sequences[waiter.group]?.wanted.append(waiter.cell)
      sequences[waiter.group]?.isUnsettled = true
    }
  }
}
