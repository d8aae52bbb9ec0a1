import TierCore

/// A chunk that stopped in the middle of a layer because blocks it needs were lost.
struct InterruptedChunk {
  fileprivate let chunk: ChunkState
  fileprivate let current: LayerStep
  fileprivate let upcoming: LayerStep?
}

extension TieredKV {
  /// Stops after `.lost`, so that other tokens can be computed in between: everything asked for is answered, nothing stays
  /// leased. Staging slots in hand for the next layer stay so.
  func interrupt() throws(KVError) -> InterruptedChunk {
    while true {
      try releaseUnused()
      if isQuiet { break }
      let before = outstanding
      try waitForReplies(.answers, "\(before) answers of layer \(current!.layer)") { $0.outstanding < before }
    }
    current!.forgetLost()
    upcoming?.forgetLost()
    return InterruptedChunk(chunk: chunk, current: current!, upcoming: upcoming)
  }

  /// Goes on where `interrupt` stopped: what was not used yet is asked for again.
  func resume(_ interrupted: InterruptedChunk) throws(KVError) {
    chunk = interrupted.chunk
    current = interrupted.current
    upcoming = interrupted.upcoming
    current!.isAcquired = true
    for run in runs(of: current!.waiting) { try acquire(layer: current!.layer, blocks: run) }
    try advance()
  }

  private var isQuiet: Bool { outstanding == 0 }

  /// Answers the store owes: leases, staging slots, seals.
  private var outstanding: Int {
    var isStagingAsked = 0
    if case .asked = upcoming?.staging { isStagingAsked = 1 }
    return current!.outstandingCount + (upcoming?.outstandingCount ?? 0) + isStagingAsked + state.sealsAwaited
  }

  /// What arrived and will not be used now must not keep others waiting.
  private func releaseUnused() throws(KVError) {
    let now = current!.giveUpLeased()
    for run in runs(of: now) { try send(.release(sequence, layer: current!.layer, blocks: run)) }
    guard upcoming != nil else { return }
    let next = upcoming!.giveUpLeased()
    for run in runs(of: next) { try send(.release(sequence, layer: upcoming!.layer, blocks: run)) }
  }
}
