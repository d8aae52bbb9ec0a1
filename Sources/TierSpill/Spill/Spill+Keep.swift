import Synchronization
import TierCore

extension Spill {
  /// There is something to do. Without a keeper's thread, it is done now.
  func wakeKeeper() {
    if options.isBackground { return keeper.ring() }
    guard keeper.gate.enter(timeoutMs: 0) else { return }
    defer { keeper.gate.leave() }
    lanes.recycle()
    if state.withLock({ $0.isClosed }) { return }
    sealFull()
    moveFromCondemned()
    removeRetired()
    writeTombstones()
    tellLost()
  }

  /// One turn of the keeper. Whether there is more to do at once.
  func keep() -> Bool {
    guard keeper.gate.enter(timeoutMs: 1000) else { return false }
    defer { keeper.gate.leave() }
    if state.withLock({ $0.isClosed }) { return false }
    lanes.recycle()
    checkDirectory()
    serveWriter()
    var hasMore = scanOne()
    hasMore = sealFull() || hasMore
    moveFromCondemned()
    hasMore = removeRetired() || hasMore
    writeTombstones()
    serveWriter()
    prepareSegment()
    hasMore = reclaimAhead() || hasMore
    tellLost()
    return hasMore
  }

  private func serveWriter() {
    let unclaimed = keeper.serve {
      do throws(SpillError) { return .success(try provideSegment()) } catch { return .failure(error) }
    }
    guard let unclaimed else { return }
    let isSecond = state.withLock { state in
      defer { if state.ready == nil { state.ready = unclaimed } }
      return state.ready != nil
    }
    if isSecond { fill(unclaimed) }
  }

  /// Makes the next segment before it is needed. Where the last write failed this is also how the spill finds out, once
  /// a second, that the cause is gone.
  private func prepareSegment() {
    let (isDetached, isWanted, isProbing) = state.withLock { state in
      (state.isDetached, state.ready == nil && state.counters.writtenBlocks > 0, state.writeFault != nil)
    }
    // A directory that is held can be written to wherever it was moved: that is no sign that it is back.
    guard !isDetached else { return }
    guard isWanted || isProbing, !isProbing || keeper.isCheckTurn else { return }
    do throws(SpillError) {
      guard let segment = try createSegment(moving: false) else { return }
      state.withLock { state in
        state.ready = segment
        state.writeFault = nil
      }
    } catch {
      // Noted by `createSegment`, and tried again.
    }
  }

  /// Gains space while writers have some left, so that they need not wait for it.
  private func reclaimAhead() -> Bool {
    let isLow = state.withLock { $0.creatableSegments(moving: false) == 0 && $0.counters.writtenBlocks > 0 }
    guard isLow, !state.withLock({ $0.isRecovering }) else { return false }
    return (try? reclaimSegment(.plenty)) ?? false
  }

  /// What was durable in a segment whose disk has failed since is moved while it can be read.
  private func moveFromCondemned() {
    let isDue = state.withLock { state in
      state.segments.values.contains {
        $0.condemned != nil && !$0.isRetired && !$0.isUnmovable && $0.liveRecords > 0 && $0.writers == 0
      }
    }
    if isDue { _ = try? reclaimSegment(.plenty) }
  }

  /// Scans one segment that had no footer. Whether there are more.
  private func scanOne() -> Bool {
    guard let segment = state.withLock({ state in state.unscanned.first.flatMap { state.segments[$0] } }) else {
      return false
    }
    let result: SegmentScan.Result
    do throws(SpillError) {
      result = try disk.recover(segment.number) { () throws(SpillError) in
        try SegmentScan(store: store, lanes: lanes, deadlineMs: options.deadlineMs).run(segment)
      }
    } catch {
      // A disk that does not answer: what the segment holds is a miss until the next start.
      giveUp(segment, error)
      return true
    }
    let (found, isLast) = state.withLock { state -> ([StoredBlock], Bool) in
      let keys = state.take(result, of: segment)
      let isLast = state.unscanned.isEmpty
      if isLast { state.endRecovery() }
      state.noteTotals()
      state.retireEmpty()
      return (
        keys.compactMap { key in
          state.index[key].flatMap { $0.segment == segment.number ? StoredBlock(key, $0) : nil }
        }, isLast
      )
    }
    if isLast { disk.keepRecoveryDeaths(of: state.withLock { $0.crashedSegments }) }
    if isLast, let summary = recovery.damageSummary { keeper.observer(.notice(summary)) }
    keeper.observer(.recovered(found, isLast: isLast))
    return !isLast
  }

  private func giveUp(_ segment: Segment, _ error: SpillError) {
    let isLast = state.withLock { state in
      state.unscanned.removeAll { $0 == segment.number }
      state.readFault = error
      state.report.readErrors += 1
      // Neither served nor reclaimed; it stays unscanned.
      if state.unscanned.isEmpty { state.endRecovery() }
      return state.unscanned.isEmpty
    }
    keeper.observer(.notice("a segment could not be scanned and is left alone until the next start: \(error.message)"))
    if isLast { keeper.observer(.recovered([], isLast: true)) }
  }

  private func tellLost() {
    let lost = state.withLock { state in
      defer { state.lost = [] }
      return state.lost
    }
    if !lost.isEmpty { keeper.observer(.lost(lost)) }
  }
}
