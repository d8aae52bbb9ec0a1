// Eviction and placement: what stays on a tier, and what makes room. The victim is the block used farthest in the
// future; what would be used later than every victim passes by (Belady's rule with bypass).

extension ResidencyCore {
  enum Placement {
    case on(Tier)
    /// Room is being made; ask again when something has moved.
    case waits
    /// No tier can take the block: memory is full and the disk is not to be had.
    case nowhere
  }

  /// Gives a new block a slot on the highest tier it is worth a place on.
  mutating func place(_ handle: BlockHandle, of sequence: Sequence) -> Placement {
    let layer = Int(directory[handle].key.layer)
    let nextUse = sequence.distanceOfNewborn(layer: layer)
    if computeTier == .device {
      if placeKept(handle, on: .device, nextUse: nextUse) { return .on(.device) }
      demoteIdle(for: Claim(tenant: sequence.tenant))
    }
    if placeKept(handle, on: .host, nextUse: nextUse) { return .on(.host) }
    if directory[handle].layout.isDroppable { return .nowhere }
    let canSpill = canSpill(sequence.tenant)
    if canSpill, sequence.isPassing(layer) {
      // It will be gone before long, and is not written as long as something else can be.
      if placeKept(handle, on: .host, nextUse: nil) { return .on(.host) }
      if writesInFlight > 0 { return .waits }
      var claim = claim(directory[handle].layout.slotBytes, by: sequence.tenant, on: .host)
      claim.canSpill = true
      if victim(on: .host, clean: false, fartherThan: nil, for: claim, amongPassing: false) != nil {
        press(.host, for: claim)
        return .waits
      }
    }
    if canSpill { return takeTransitSlot(handle) ? .on(.host) : .waits }
    let claim = claim(directory[handle].layout.slotBytes, by: sequence.tenant, on: .host)
    if dropDirtyVictim(on: .host, fartherThan: nextUse, for: claim), placeKept(handle, on: .host, nextUse: nextUse) {
      return .on(.host)
    }
    return .nowhere
  }

  /// Takes a slot to keep the block in, evicting clean copies that are used later than it; any clean ones for nil.
  private mutating func placeKept(_ handle: BlockHandle, on tier: Tier, nextUse: Distance?) -> Bool {
    let (tenant, bytes) = (directory[handle].key.tenant, directory[handle].layout.slotBytes)
    while !canKeep(bytes, of: tenant, on: tier) || !self[tier].hasKeepRoom(bytes) {
      let claim = claim(bytes, by: tenant, on: tier)
      if let victim = victim(on: tier, clean: true, fartherThan: nextUse, for: claim) {
        displace(victim, on: tier, for: claim)
      } else {
        guard claimGuaranteed(handle, on: tier, isRoomNeeded: true) else { return false }
      }
    }
    return takeSlot(handle, on: tier, as: .kept)
  }

  /// The evictable copy whose next use is farthest, if it is farther than `limit` by more than the guess is good for.
  /// Dirty ones of the host leave it for the disk: of blocks that would soon be dropped unwritten, only the last.
  mutating func victim(
    on tier: Tier, clean: Bool, fartherThan limit: Distance?, for claim: Claim, sparingWeights: Bool = false
  ) -> BlockHandle? {
    if limit == .never { return nil }
    if let unplanned = unplannedVictim(on: tier, clean: clean, for: claim) { return unplanned }
    if limit == .unknown { return nil }
    if tier == .host, !clean,
      let lasting = victim(on: tier, clean: clean, fartherThan: limit, for: claim, amongPassing: false)
    {
      return lasting
    }
    return victim(
      on: tier, clean: clean, fartherThan: limit, for: claim, amongPassing: true, sparingWeights: sparingWeights)
  }

  /// - Parameter amongPassing: also from sliding and chunked layers.
  func victim(
    on tier: Tier, clean: Bool, fartherThan limit: Distance?, for claim: Claim, amongPassing: Bool,
    sparingWeights: Bool = false
  ) -> BlockHandle? {
    var best: (handle: BlockHandle, distance: Distance)?
    for sequence in openSequences where !(sparingWeights && sequence.plan.layout.isDroppable) {
      guard mayTake(from: sequence.tenant, on: tier, for: claim) else { continue }
      let layers = sequence.plan.layers
      let inUse = sequence.stepInUse
      // From the layer consumed last, the farthest, back to the one in use.
      for steps in stride(from: layers - 1, through: 0, by: -1) {
        let distance = sequence.pace.distance(steps: steps)
        if let best, distance <= best.distance { break }
        if let limit, distance.blocks <= limit.blocks + limit.blocks / Self.doubt { break }
        let layer = (inUse + steps) % layers
        if !amongPassing, sequence.isPassing(layer) { continue }
        if let handle = lists.first(lists.list(tier, clean: clean, group: sequence.group, layer: layer)) {
          best = (handle, distance)
          break
        }
      }
    }
    return best?.handle
  }

  /// Paces of sequences are averages: what is used about as soon is not worth a move.
  private static let doubt = 4

  /// In the order they were opened.
  var openSequences: [Sequence] { sequences.values }

  /// Makes room for bytes that are reserved, whoever must leave for it. False: room is being made.
  /// - Parameter inPieces: the bytes need not be together.
  mutating func makeRoom(_ bytes: Int, on tier: Tier, inPieces: Bool = false, for claim: Claim) -> Bool {
    while !(inPieces ? self[tier].hasStagingRoom(bytes) : self[tier].hasRoom(bytes)) {
      if giveBackLasting(tier) { continue }
      if let victim = victim(on: tier, clean: true, fartherThan: nil, for: claim) {
        displace(victim, on: tier, for: claim)
      } else {
        press(tier, for: claim)
        guard dropUnspillable(on: tier, for: claim) else { return false }
      }
    }
    return true
  }

  /// Someone needs room that only dirty copies can give: they are made clean.
  mutating func press(_ tier: Tier, for claim: Claim) {
    isRoomWanted = true
    if tier == .device {
      demote(atMost: configuration.demoteDepth, for: claim)
    } else {
      isHostPressed = true
    }
  }

  /// Lets go of bytes that exist nowhere else. Only where the disk cannot take them; idle blocks first.
  mutating func dropDirtyVictim(on tier: Tier, fartherThan limit: Distance?, for claim: Claim) -> Bool {
    guard let victim = victim(on: tier, clean: false, fartherThan: limit, for: claim) else { return false }
    displace(victim, on: tier, for: claim)
    return true
  }

  /// Sends dirty copies of the device to the host, farthest first, so that they may be evicted.
  mutating func demote(atMost depth: Int, for claim: Claim) {
    while demotionsInFlight < depth, let handle = victim(on: .device, clean: false, fartherThan: nil, for: claim) {
      if startDemotion(handle) { continue }
      // What may pass through the host on its way to the disk is rather what stays in reach.
      let lasting = victim(on: .device, clean: false, fartherThan: nil, for: claim, amongPassing: false)
      guard startDemotion(lasting ?? handle, mayPassThrough: true) else { return }
    }
  }

  /// The same for blocks no sequence uses: they would otherwise hold the device for ever.
  private mutating func demoteIdle(for claim: Claim) {
    while demotionsInFlight < configuration.demoteDepth,
      let handle = unplannedVictim(on: .device, clean: false, for: claim)
    {
      guard startDemotion(handle, mayPassThrough: true) else { return }
    }
  }

  private mutating func startDemotion(_ handle: BlockHandle, mayPassThrough: Bool = false) -> Bool {
    // Its bytes are nowhere else: any clean copy on the host, which the disk has too, gives way to them.
    guard
      placeKept(handle, on: .host, nextUse: nil)
        || (mayPassThrough && canSpill(directory[handle].key.tenant) && takeTransitSlot(handle))
    else {
      isHostPressed = isHostPressed || mayPassThrough
      return false
    }
    demotionsInFlight += 1
    directory[handle].device.readers += 1
    directory[handle].host.isMoving = true
    relist(handle)
    let block = directory[handle]
    let move = begin(.demote(handle))
    emit(.copy(move, from: block.device.slot, to: block.host.slot, block.layout))
    return true
  }

  mutating func finishDemotion(_ handle: BlockHandle, arrived isHere: Bool) {
    demotionsInFlight -= 1
    directory[handle].device.readers -= 1
    directory[handle].host.isMoving = false
    if isHere {
      count(\.deviceToHost, bytes: directory[handle].layout.payloadBytes)
      arrived(handle, on: .host)
      queueTransitWrite(handle)
    } else {
      dropArriving(handle, .host)
    }
    relist(handle)
    settleRing(handle)
  }

  /// KV leaves first, also what must be written for it; the weights of open sequences go when nothing else can.
  private mutating func shrink(_ tier: Tier) {
    var claim = Claim()
    while !self[tier].hasRoom(0),
      let victim = victim(on: tier, clean: true, fartherThan: nil, for: claim, sparingWeights: true)
    {
      dropCopy(victim, on: tier)
    }
    guard !self[tier].hasRoom(0) else { return }
    if tier == .host { claim.canSpill = true }
    let canBeCleaned = victim(on: tier, clean: false, fartherThan: nil, for: claim) != nil
    if canBeCleaned { press(tier, for: claim) }
    let isCleaning = tier == .device ? demotionsInFlight > 0 : canBeCleaned || (disk.isUsable && writesInFlight > 0)
    if !isCleaning { _ = makeRoom(0, on: tier, for: Claim()) }
  }

  /// Brings tiers back under a budget that was lowered.
  mutating func shrink() {
    for tier in [Tier.device, .host] where self[tier].isShrinking { shrink(tier) }
    shrinkTenants()
    if isDraining || isEvictingIdle, computeTier == .device {
      isDraining ? demote(atMost: configuration.demoteDepth, for: .everyone) : demoteIdle(for: .everyone)
    }
  }
}
