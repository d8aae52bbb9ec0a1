import ControlAPI
import DaemonConfig
import Glibc
import Synchronization
import TierCore

/// A store that no worker can reach: it has budgets and holds nothing.
final class IdleStore: ControlledStore {
  private struct State {
    var budgets: [Tier: Int]
    var draining = false
  }

  private let state: Mutex<State>
  private let start = ContinuousClock.now
  private let instance = String(UInt64.random(in: .min ... .max), radix: 16)

  init(_ configuration: DaemonConfiguration) {
    var budgets: [Tier: Int] = [.host: configuration.hostBudgetBytes, .disk: configuration.diskBudgetBytes]
    if configuration.device != .none { budgets[.device] = configuration.deviceBudgetBytes }
    self.state = Mutex(State(budgets: budgets))
  }

  func status() -> StatusReply {
    let state = state.withLock { $0 }
    let tiers = state.budgets.sorted { $0.key < $1.key }.map { tier, budget in
      TierStatus(
        name: tier.name, budgetBytes: budget, usedBytes: 0, peakBytes: 0, keptBytes: 0, ringBytes: 0, blocks: 0)
    }
    return StatusReply(
      version: ProjectVersion.text, pid: getpid(), uptimeS: (ContinuousClock.now - start) / .seconds(1),
      instance: instance, draining: state.draining, tiers: tiers, moves: [], hits: 0, misses: 0, lost: 0, leases: 0,
      sessions: 0, sequences: SequenceCounts(open: 0, queued: 0), spill: nil, latencies: [])
  }

  func blocks(_ query: BlocksQuery) -> BlocksReply { BlocksReply(blocks: [], total: 0, next: nil) }

  func sessions() -> SessionsReply { SessionsReply(sessions: []) }

  func set(_ request: SetRequest) throws(ControlError) -> SetReply {
    let wanted: [(Tier, Int?)] = [
      (.device, request.deviceBudgetBytes), (.host, request.hostBudgetBytes), (.disk, request.diskBudgetBytes),
    ]
    let budgets = try state.withLock { state throws(ControlError) in
      for (tier, bytes) in wanted where bytes != nil && state.budgets[tier] == nil {
        throw .conflict("there is no \(tier.name) tier")
      }
      for (tier, bytes) in wanted { if let bytes { state.budgets[tier] = bytes } }
      return state.budgets
    }
    return SetReply(
      tiers: budgets.sorted { $0.key < $1.key }.map { .init(name: $0.key.name, budgetBytes: $0.value, usedBytes: 0) })
  }

  func evict(_ request: EvictRequest) -> EvictReply {
    EvictReply(blocks: 0, bytes: 0, pendingBlocks: 0, busyBlocks: 0)
  }

  func drain(deadlineMs: Int) -> DrainReply {
    state.withLock { $0.draining = true }
    return DrainReply(drained: true, sequencesOpen: 0, dirtyBlocks: 0, elapsedMs: 0)
  }
}
