import ControlAPI
import Synchronization
public import TierCore
import TierMemory

/// The worker's user cannot be served: one line for the worker, and for the log.
struct TenantRefusal: Error, CustomStringConvertible {
  let description: String
}

extension Engine: SessionHost {
  /// A worker's session. Its tenant is that of its uid, as the kernel told it.
  public func connect(peer: PeerCredentials, outbox: any ReplyOutbox) throws -> any HostedSession {
    let id = try state.withLock { state in
      let tenant = try admit(peer, state)
      state.lastSession += 1
      let id = SessionID(state.lastSession)
      state.outboxes[id] = outbox
      state.peers[id] = SessionPeer(credentials: peer, tenant: tenant, connectedAtMs: MonotonicClock.nowMs())
      carryOut(state.core.handle(.connected(id, tenant)), &state)
      return id
    }
    return EngineSession(engine: self, id: id, pid: peer.pid)
  }

  /// Where a session's worker runs, for what it opens from now on. It may have been put elsewhere meanwhile.
  func locate(_ id: SessionID, pid: Int32) {
    guard options.hostNodes.count > 1 else { return }
    handle(.located(id, node: options.hostMemory.topology.node(ofProcess: pid)))
  }

  private func admit(_ peer: PeerCredentials, _ state: borrowing State) throws(TenantRefusal) -> TenantID {
    guard let tenant = state.tenants.tenant(ofUser: peer.uid) else {
      throw TenantRefusal(
        description:
          "uid \(peer.uid) is beyond \(TenantID.firstNamed - 1), where uids are nobody's: have it named in a "
          + "tenant")
    }
    let most = state.tenants.table.policy.limits(of: tenant).connections
    guard state.core.sessionCount(of: tenant) < most else {
      throw TenantRefusal(
        description: "tenant \(state.tenants.name(tenant)) has \(most) workers connected already: end one first")
    }
    return tenant
  }

  /// Takes other tenants: for workers that connect from now on. Limits take effect at once.
  func setTenants(_ table: TenantTable) {
    state.withLock { state in
      state.tenants = TenantNames(table)
      carryOut(state.core.handle(.setTenants(table.policy)), &state)
    }
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
