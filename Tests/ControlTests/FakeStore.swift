import ControlAPI
import Synchronization
import TierCore

/// A store that answers what a test says, and remembers what it was asked.
final class FakeStore: ControlledStore {
  struct State {
    var status = Samples.status
    var queries: [BlocksQuery] = []
    var sets: [SetRequest] = []
    var evicts: [EvictRequest] = []
    var drainTurns = 0
    /// The turn in which a drain is done.
    var drainedAfterTurns = 3
    var setFault: ControlError?
    var verifies: [VerifyRequest] = []
    var verificationTurns = 0
  }

  let state = Mutex(State())

  func status() -> StatusReply { state.withLock { $0.status } }

  func blocks(_ query: BlocksQuery) throws(ControlError) -> BlocksReply {
    state.withLock { $0.queries.append(query) }
    return BlocksReply(blocks: [], total: 0, next: nil)
  }

  func sessions() -> SessionsReply { SessionsReply(sessions: []) }

  func set(_ request: SetRequest) throws(ControlError) -> SetReply {
    let fault = state.withLock { state in
      state.sets.append(request)
      return state.setFault
    }
    if let fault { throw fault }
    return SetReply(tiers: [.init(name: "host", budgetBytes: request.hostBudgetBytes ?? 0, usedBytes: 0)])
  }

  func evict(_ request: EvictRequest) throws(ControlError) -> EvictReply {
    state.withLock { $0.evicts.append(request) }
    return EvictReply(blocks: 1, bytes: 2, pendingBlocks: 3, busyBlocks: 4)
  }

  func drain(deadlineMs: Int) throws(ControlError) -> DrainReply {
    state.withLock { state in
      state.drainTurns += 1
      return DrainReply(
        drained: state.drainTurns >= state.drainedAfterTurns, sequencesOpen: 1, dirtyBlocks: 0, elapsedMs: 0)
    }
  }

  func verify(_ request: VerifyRequest) throws(ControlError) -> VerificationReply {
    state.withLock { $0.verifies.append(request) }
    return try verification()
  }

  func verification() throws(ControlError) -> VerificationReply {
    let turn = state.withLock { state in
      state.verificationTurns += 1
      return state.verificationTurns
    }
    return VerificationReply(
      running: turn < 3, records: 100, bytes: 100 << 17, verifiedRecords: 30 * turn, verifiedBytes: 30 * turn << 17,
      goneRecords: 0, unreadableRecords: 0, damagedRecords: turn < 3 ? 0 : 1,
      damage: turn < 3 ? [] : [.init(tenant: 0, key: "ab", layer: 3, why: "the stored bytes do not verify")],
      elapsedMs: 100 * turn)
  }
}
