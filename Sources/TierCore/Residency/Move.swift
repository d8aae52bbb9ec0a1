/// A move under way, as the core remembers it until the shell reports its end.
enum Move {
  case ingest(BlockHandle, Tier, staging: ArenaID, slot: UInt32, sealer: Waiter)
  case promote(BlockHandle)
  case demote(BlockHandle)
  case write(BlockHandle)
  /// Into the tier's slot: host in transit, or the compute tier itself.
  case read(BlockHandle, Tier)

  var handle: BlockHandle {
    switch self {
    case .ingest(let handle, _, _, _, _), .promote(let handle), .demote(let handle), .write(let handle),
      .read(let handle, _):
      handle
    }
  }
}

extension ResidencyCore {
  mutating func finish(_ id: MoveID, _ outcome: MoveOutcome) {
    guard let move = moves.remove(id) else { preconditionFailure("move \(id.rawValue) is under way") }
    defer { settleRetired(move.handle) }
    switch (move, outcome) {
    case (.ingest(let handle, let tier, let staging, let slot, let sealer), .ingested(let checksum)):
      finishIngest(handle, tier, staging, slot, sealer, checksum: checksum)
    case (.ingest(let handle, let tier, let staging, let slot, let sealer), _):
      finishIngest(handle, tier, staging, slot, sealer, checksum: nil)
    case (.promote(let handle), _): finishPromotion(handle, arrived: outcome == .copied)
    case (.demote(let handle), _): finishDemotion(handle, arrived: outcome == .copied)
    case (.write(let handle), _): finishWrite(handle, outcome)
    case (.read(let handle, let tier), .failed): failRead(handle, tier)
    case (.read(let handle, let tier), _):
      directory[handle].disk.failedReads = 0
      finishRead(handle, tier, verified: outcome == .verified)
    }
    mayProceed = true
  }
}
