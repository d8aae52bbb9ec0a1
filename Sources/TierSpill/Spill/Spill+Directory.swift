import Synchronization
import TierCore

// The directory may be removed, moved or replaced under the daemon: what is in memory is served on, and the spill comes
// back when the directory does.
extension Spill {
  private static let checkNs: UInt64 = 1_000_000_000

  /// Once a second: whether the directory is still the one that was opened. Behind the keeper's gate.
  func checkDirectory() {
    let now = MonotonicClock.nowNs()
    keeper.isCheckTurn = now - keeper.lastCheckNs >= Self.checkNs
    guard keeper.isCheckTurn else { return }
    keeper.lastCheckNs = now
    let wasDetached = state.withLock { $0.isDetached }
    switch disk.state() {
    case .present:
      if wasDetached {
        state.withLock { $0.isDetached = false }
        keeper.observer(.notice("\(disk.name) is back: the spill goes on"))
      }
    case .vanished:
      state.withLock { state in
        state.isDetached = true
        state.writeFault = .directoryGone(directory: disk.name)
      }
      if !wasDetached { keeper.observer(.notice(SpillError.directoryGone(directory: disk.name).message)) }
    case .replaced: adoptReplacement()
    }
  }

  /// Another directory is at the path now. What the old one held cannot be found again after a restart: it is lost, and
  /// the spill begins anew. What the new one holds is left alone until then.
  private func adoptReplacement() {
    do throws(SpillError) {
      try disk.reattach()
      let entries = try disk.list()
      keeper.segment = nil
      keeper.dropBook()
      state.withLock { state in
        for (key, entry) in state.index { state.lose(key, ifAt: entry) }
        for segment in state.segments.values {
          segment.condemned = .directoryGone(directory: disk.name)
          (segment.isFull, segment.isRetired, segment.isUnlinked) = (true, true, true)
        }
        state.ready = nil
        state.unscanned = []
        state.leftovers = []
        state.tombstones = TombstoneState()
        state.foreignBytes = entries.reduce(0) { $0 + $1.bytes }
        state.fileBytes = state.segments.values.reduce(disk.alignBytes) { $0 + $1.fileBytes }
        let highest = entries.compactMap { SegmentName.number(of: $0.name) }.max() ?? 0
        state.nextSegment = max(state.nextSegment, highest + 1)
      }
      if !entries.contains(where: { $0.name == StoreIdentity.fileName }) {
        try store.write(to: disk, lanes, options)
      }
      state.withLock { state in
        state.isDetached = false
        state.writeFault = nil
      }
      keeper.observer(
        .notice("\(disk.name) is another directory now: what the old one held is lost, the spill begins anew"))
    } catch {
      state.withLock { state in
        state.isDetached = true
        state.writeFault = error
      }
    }
  }
}
