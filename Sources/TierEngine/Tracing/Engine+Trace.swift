import Synchronization
import TierCore

// The daemon's side of a trace: sessions that ask for one are told of the moves of their own blocks.

extension Engine {
  /// Starts with the first call. Not for sessions that are gone.
  func takeTrace(_ id: SessionID) -> MoveTrace {
    state.withLock { state in
      guard let peer = state.peers[id] else { return MoveTrace() }
      return state.traces[id, default: SessionTrace(tenant: TenantID(peer.credentials.uid))].take()
    }
  }

  /// A session's reading of the statistics, which takes its place among the moves of its trace.
  func statistics(for id: SessionID) -> StoreStatistics {
    state.withLock { state in
      state.traces[id]?.recordStatistics(atNs: MonotonicClock.nowNs())
      return state.core.statisticsNow()
    }
  }
}

extension Engine.State {
  /// To be called before the core hears of the move's end, which makes it forget the move.
  mutating func record(_ ended: EndedMove) {
    guard !traces.isEmpty, let identity = core.identity(of: ended.move) else { return }
    for session in traces.keys { traces[session]!.record(identity, ended) }
  }
}
