// What an earlier life left on disk may be found while sessions are at work. Whoever names a block that is not known yet
// waits until the disk has been searched, and only they.

/// While the spill is being searched.
struct Recovery {
  /// When the core first heard the time; 0 until then.
  var sinceMs: UInt64 = 0

  /// Nobody waits longer: what is found later is known later, and computed again by those who asked too early.
  static let limitMs: UInt64 = 5000
  /// Requests of one session that may wait; with one more none of them does.
  static let deferredMost = 1024
}

extension ResidencyCore {
  /// Keeps the request for later where it names a block that may still be found, or comes after one that did.
  mutating func deferring(_ request: Request, of id: SessionID) -> Bool {
    guard recovery != nil, let session = sessions[id] else { return false }
    guard !session.deferred.isEmpty || namesUnknown(request, session) else { return false }
    sessions[id]!.deferred.append(request)
    if session.deferred.count >= Recovery.deferredMost { carryOutDeferred(of: id) }
    return true
  }

  private func namesUnknown(_ request: Request, _ session: Session) -> Bool {
    guard case .extend(let id, let blocks) = request, let group = session.sequences[id], let sequence = sequences[group]
    else { return false }
    return blocks.contains { block in
      (0..<sequence.plan.layers).contains { layer in
        let key = BlockKey(tenant: sequence.tenant, id: block, layer: UInt16(layer))
        return directory.find(key).map { !directory[$0].isAnywhere } ?? true
      }
    }
  }

  mutating func endRecovery() {
    guard recovery != nil else { return }
    recovery = nil
    for id in sessions.keys.sorted() { carryOutDeferred(of: id) }
    mayProceed = true
  }

  private mutating func carryOutDeferred(of id: SessionID) {
    let waiting = sessions[id]?.deferred ?? []
    sessions[id]?.deferred = []
    for request in waiting where sessions[id] != nil { carryOut(request, from: id) }
  }

  mutating func limitRecovery() {
    guard let sinceMs = recovery?.sinceMs else { return }
    if sinceMs == 0 {
      recovery!.sinceMs = max(nowMs, 1)
    } else if nowMs - sinceMs >= Recovery.limitMs {
      endRecovery()
    }
  }

  /// Takes records in. One that does not fit what is known of its block is let go: the spill must not keep what the
  /// directory does not know of.
  mutating func recover(_ records: [DiskRecord]) {
    for record in records {
      guard let handle = intern(record.key, record.layout) else {
        // Known with another layout. Where that one is on disk, or on its way, it has the key's record.
        if let other = directory.find(record.key), directory[other].disk.state == .none { emit(.forget(record.key)) }
        continue
      }
      let block = directory[handle]
      guard block.disk.state == .none else { continue }
      let isElsewhere = block.isAnywhere || block.isSealing
      guard !isElsewhere || (block.checksum == record.checksum && block.checksum != 0) else {
        emit(.forget(record.key))
        continue
      }
      adopt(record, handle)
    }
    disk.peakBytes = max(disk.peakBytes, disk.storedBytes)
    mayProceed = true
  }

  private mutating func adopt(_ record: DiskRecord, _ handle: BlockHandle) {
    directory[handle].checksum = record.checksum
    directory[handle].disk.state = .durable
    directory[handle].disk.storedBytes = record.storedBytes
    countStored(record.storedBytes, of: record.key.tenant)
    tellDurable(handle)
    relist(handle)
    settleTransit(handle)
    settleRetired(handle)
  }
}
