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
      guard makeDiskRoom(handle) else {
        queueTransitWrite(handle)
        blockDisk(of: directory[handle].key.tenant)
        continue
      }
      writesInFlight += 1
      tenants[directory[handle].key.tenant].writingBytes += directory[handle].layout.payloadBytes
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
    var claim = Claim.everyone
    if !diskFull.isEmpty { claim.canSpill = true }
    for group in lists.idleGroups where !diskFull.contains(group) {
      if let unplanned = lists.firstUnplanned(.host, clean: false, group: group) { return unplanned }
    }
    // What an open sequence keeps here it will read again, and newborn blocks do not displace it.
    guard isHostPressed || isDraining || host.isShrinking || host.isAnyNodeOver else { return nil }
    // While writes are under way that will make room, what leaves its layer's reach soon is not written for it.
    let mayPass = writesInFlight == 0 || isDraining || host.isShrinking
    return victim(on: .host, clean: false, fartherThan: nil, for: claim, amongPassing: mayPass)
  }

  /// A block that came to the host only to pass through it is written as soon as it can be.
  mutating func queueTransitWrite(_ handle: BlockHandle) {
    let block = directory[handle]
    guard block.host.state == .resident, block.host.role == .transit, block.disk.state == .none, !block.isRetired
    else { return }
    if canSpill(block.key.tenant) { transitWrites.append(handle) } else { rescueTransit(handle) }
  }

  mutating func finishWrite(_ handle: BlockHandle, _ outcome: MoveOutcome) {
    writesInFlight -= 1
    let tenant = directory[handle].key.tenant
    tenants[tenant].writingBytes -= directory[handle].layout.payloadBytes
    directory[handle].host.readers -= 1
    if case .durable(let storedBytes) = outcome {
      becomeDurable(handle, storedBytes)
    } else {
      directory[handle].disk.state = .none
      // A record of an earlier life that was found meanwhile is one the directory does not know of.
      emit(.forget(directory[handle].key))
      if outcome == .full, forgetIdleRecords(for: Claim(tenant: tenant)) {
        transitWrites.append(handle)
      } else {
        blockDisk()
      }
    }
    relist(handle)
    if computeTier == .host, directory[handle].leases == 0 { settleRing(handle) }
    settleTransit(handle)
    if directory[handle].host.state == .resident, !canSpill(tenant) { rescueTransit(handle) }
    if isEvictingIdle { dropIdleClean(handle) }
  }

  private mutating func becomeDurable(_ handle: BlockHandle, _ storedBytes: Int) {
    directory[handle].disk.state = .durable
    directory[handle].disk.storedBytes = storedBytes
    countStored(storedBytes, of: directory[handle].key.tenant)
    disk.peakBytes = max(disk.peakBytes, disk.storedBytes)
    let payload = directory[handle].layout.payloadBytes
    count(\.hostToDisk, bytes: payload)
    statistics.spillOriginalBytes += payload
    statistics.spillStoredBytes += storedBytes
    tellDurable(handle)
  }

  /// Adds to (or, negative, takes from) what records take.
  mutating func countStored(_ bytes: Int, of tenant: TenantID) {
    disk.storedBytes += bytes
    tenants[tenant].kept.disk += bytes
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
    if canKeep(block.layout.slotBytes, of: block.key.tenant, on: .host)
      || claimGuaranteed(handle, on: .host, isRoomNeeded: false)
    {
      keep(handle, on: .host)
    } else {
      dropCopy(handle, on: .host)
    }
  }

  /// Frees disk space by forgetting blocks that no sequence names, those used longest ago first.
  mutating func forgetIdleRecords(for claim: Claim) -> Bool {
    let capBytes = min(disk.capBytes, claim.tenant.map { tenants[$0].limits.quota.disk } ?? .max)
    let wanted = max(capBytes / 20, 1)
    let idle = directory.handles.filter {
      let block = directory[$0]
      return block.isOnDisk && block.users == 0 && !block.disk.isBeingRead
    }.sorted { directory[$0].lastUse < directory[$1].lastUse }
    var freed = 0
    for handle in idle where freed < wanted && mayForget(handle, for: claim) {
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
    countStored(-directory[handle].disk.storedBytes, of: directory[handle].key.tenant)
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
