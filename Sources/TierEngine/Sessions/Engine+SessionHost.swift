import Synchronization
public import TierCore
import TierMemory

extension Engine: SessionHost {
  /// A worker's session; its tenant is its uid.
  public func connect(peer: PeerCredentials, outbox: any ReplyOutbox) throws -> any HostedSession {
    let id = state.withLock { state in
      state.lastSession += 1
      let id = SessionID(state.lastSession)
      state.outboxes[id] = outbox
      state.peers[id] = SessionPeer(credentials: peer, connectedAtMs: MonotonicClock.nowMs())
      carryOut(state.core.handle(.connected(id, TenantID(peer.uid))), &state)
      return id
    }
    return EngineSession(engine: self, id: id, pid: peer.pid)
  }

  /// Where a session's worker runs, for what it opens from now on. It may have been put elsewhere meanwhile.
  func locate(_ id: SessionID, pid: Int32) {
    guard options.hostNodes.count > 1 else { return }
    handle(.located(id, node: options.hostMemory.topology.node(ofProcess: pid)))
  }

  func disconnect(_ id: SessionID) {
    state.withLock { state in
      state.outboxes[id] = nil
      state.peers[id] = nil
      state.traces[id] = nil
      carryOut(state.core.handle(.disconnected(id)), &state)
    }
  }
}

/// One connection's side of the engine.
final class EngineSession: HostedSession {
  private let engine: Engine
  private let id: SessionID
  private let pid: Int32

  init(engine: Engine, id: SessionID, pid: Int32) {
    self.engine = engine
    self.id = id
    self.pid = pid
  }

  func handle(_ request: Request) {
    if case .open = request { engine.locate(id, pid: pid) }
    engine.handle(.request(id, request))
  }
  func statistics() -> StoreStatistics { engine.statistics(for: id) }
  func takeTrace() -> MoveTrace { engine.takeTrace(id) }
  func disconnect() { engine.disconnect(id) }
}
