/// What the core knows of the disk tier: the spill keeps the bytes, the cap and the index.
struct DiskState {
  var capBytes: Int
  /// Of records reported durable and not forgotten.
  var storedBytes = 0
  var peakBytes = 0
  /// A write failed or found no space; tried again at `retryAtMs`.
  var isBlocked = false
  var retryAtMs: UInt64 = 0

  var isUsable: Bool { capBytes > 0 && !isBlocked }
}

extension ResidencyCore {
  static let diskRetryMs: UInt64 = 1000
  /// Writes what must leave the host, and what would have to leave next.
  mutating func writeBehind() {
    guard disk.isUsable else { return }
    while writesInFlight < configuration.writeDepth, let handle = nextToWrite() {
      writesInFlight += 1
      directory[handle].disk.state = .writing
      directory[handle].host.readers += 1
      relist(handle)
      let block = directory[handle]
      let move = begin(.write(handle))
      emit(.write(move, from: block.host.slot, block.key, block.layout, checksum: block.checksum))
    }
  }

  private mutating func nextToWrite() -> BlockHandle? {
    while let handle = transitWrites.first {
      let block = directory[handle]
      _ = transitWrites.popFirst()
      if block.host.state == .resident, block.host.role == .transit, block.disk.state == .none, !block.isRetired {
        return handle
      }
    }
    if let unplanned = lists.firstUnplanned(.host, clean: false) { return unplanned }
    // What an open sequence keeps here it will read again, and newborn blocks do not displace it.
    guard isHostPressed || isDraining || host.isShrinking || host.isAnyNodeOver else { return nil }
    // While writes are under way that will make room, what leaves its layer's reach soon is not written for it.
    let mayPass = writesInFlight == 0 || isDraining || host.isShrinking
    return victim(on: .host, clean: false, fartherThan: nil, amongPassing: mayPass)
  }

  /// A block that came to the host only to pass through it is written as soon as it can be.
  mutating func queueTransitWrite(_ handle: BlockHandle) {
    let block = directory[handle]
    guard block.host.state == .resident, block.host.role == .transit, block.disk.state == .none, !block.isRetired
    else { return }
    if disk.isUsable { transitWrites.append(handle) } else { rescueTransit(handle) }
  }

  mutating func finishWrite(_ handle: BlockHandle, _ outcome: MoveOutcome) {
    writesInFlight -= 1
    directory[handle].host.readers -= 1
    if case .durable(let storedBytes) = outcome {
      becomeDurable(handle, storedBytes)
    } else {
      directory[handle].disk.state = .none
      // A record of an earlier life that was found meanwhile is one the directory does not know of.
      emit(.forget(directory[handle].key))
      if outcome == .full, forgetIdleRecords() { transitWrites.append(handle) } else { blockDisk() }
    }
    relist(handle)
    if computeTier == .host, directory[handle].leases == 0 { settleRing(handle) }
    settleTransit(handle)
    if directory[handle].host.state == .resident, !disk.isUsable { rescueTransit(handle) }
    if isEvictingIdle { dropIdleClean(handle) }
  }

  private mutating func becomeDurable(_ handle: BlockHandle, _ storedBytes: Int) {
    directory[handle].disk.state = .durable
    directory[handle].disk.storedBytes = storedBytes
    disk.storedBytes += storedBytes
    disk.peakBytes = max(disk.peakBytes, disk.storedBytes)
    let payload = directory[handle].layout.payloadBytes
    count(\.hostToDisk, bytes: payload)
    statistics.spillOriginalBytes += payload
    statistics.spillStoredBytes += storedBytes
    tellDurable(handle)
  }

  mutating func tellDurable(_ handle: BlockHandle) {
    guard let owed = durabilityOwed.removeValue(forKey: handle), let sequence = sequences[owed.group] else { return }
    let (layer, block) = (sequence.layer(ofCell: owed.cell), sequence.block(ofCell: owed.cell))
    reply(sequence, .durable(sequence.id, layer: layer, block: block))
  }

  /// The disk takes nothing for a while. What only passes through the host stays if there is room, else it is lost.
  private mutating func blockDisk() {
    disk.isBlocked = true
    disk.retryAtMs = nowMs + Self.diskRetryMs
    while let handle = transitWrites.popFirst() { rescueTransit(handle) }
  }

  private mutating func rescueTransit(_ handle: BlockHandle) {
    let block = directory[handle]
    guard block.host.state == .resident, block.host.role == .transit, block.host.readers == 0,
      block.disk.state == .none, computeTier == .device || block.leases == 0
    else { return }
    if canKeep(block.layout.slotBytes, on: .host) { keep(handle, on: .host) } else { dropCopy(handle, on: .host) }
  }

  /// Frees disk space by forgetting the blocks that no sequence names, those used longest ago first.
  private mutating func forgetIdleRecords() -> Bool {
    let wanted = max(disk.capBytes / 20, 1)
    let idle = directory.handles.filter {
      let block = directory[$0]
      return block.isOnDisk && block.users == 0 && !block.disk.isBeingRead
    }.sorted { directory[$0].lastUse < directory[$1].lastUse }
    var freed = 0
    for handle in idle where freed < wanted {
      freed += directory[handle].disk.storedBytes
      forgetRecord(handle)
      relist(handle)
      dropIdleMemory(handle)
      directory.removeIfUnused(handle)
    }
    return freed > 0
  }

  /// An idle block whose record went would only be written again: its other copies go too.
  private mutating func dropIdleMemory(_ handle: BlockHandle) {
    for tier in [Tier.device, .host] {
      let copy = directory[handle][tier]
      if copy.state == .resident, copy.readers == 0, !copy.isMoving,
        tier != computeTier || directory[handle].leases == 0
      {
        dropCopy(handle, on: tier)
      }
    }
  }

  mutating func forgetRecord(_ handle: BlockHandle) {
    guard directory[handle].isOnDisk else { return }
    disk.storedBytes -= directory[handle].disk.storedBytes
    directory[handle].disk = DiskCopy(isBeingRead: directory[handle].disk.isBeingRead)
    emit(.forget(directory[handle].key))
  }

  /// The disk did not answer, which says nothing of the record: it stays, and this read is a miss. The second time
  /// it is given up, or whoever needs the block would ask for ever.
  mutating func failRead(_ handle: BlockHandle, _ tier: Tier) {
    directory[handle].disk.failedReads += 1
    guard directory[handle].disk.failedReads < 2 else { return finishRead(handle, tier, verified: false) }
    directory[handle].disk.isBeingRead = false
    directory[handle][tier].isMoving = false
    dropArriving(handle, tier)
    if tier != computeTier { dropArriving(handle, computeTier) }
    relist(handle)
  }

  mutating func loseRecord(_ key: BlockKey) {
    guard let handle = directory.find(key), directory[handle].isOnDisk, !directory[handle].disk.isBeingRead else {
      return
    }
    forgetRecord(handle)
    relist(handle)
    queueTransitWrite(handle)
    directory.removeIfUnused(handle)
    mayProceed = true
  }

  mutating func evict(_ scope: EvictScope) {
    for handle in directory.handles where directory[handle].users == 0 {
      if scope == .idleEverywhere, !directory[handle].disk.isBeingRead {
        forgetRecord(handle)
        relist(handle)
        dropIdleMemory(handle)
        directory.removeIfUnused(handle)
      } else {
        dropIdleClean(handle)
      }
    }
    isEvictingIdle = scope == .idleToDisk
    mayProceed = true
  }

  private mutating func dropIdleClean(_ handle: BlockHandle) {
    guard directory[handle].users == 0, directory[handle].isOnDisk || directory[handle].layout.isDroppable else {
      return
    }
    dropIdleMemory(handle)
  }
}
