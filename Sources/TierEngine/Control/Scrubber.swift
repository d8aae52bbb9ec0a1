public import ControlAPI
import Synchronization
import TierCore
import TierSpill

/// The verification of what is on disk: one at a time, on a thread of its own.
final class Scrubber: Sendable {
  private struct State {
    var isRunning = false
    var isStopping = false
    var last = Verification()
    var thread: EngineThread?
  }

  private let state = Mutex(State())

  /// Begins one unless one runs.
  func begin(_ spill: Spill, bytesPerSecond: Int?) {
    let isFree = state.withLock { state in
      guard !state.isRunning, !state.isStopping else { return false }
      (state.isRunning, state.last) = (true, Verification())
      return true
    }
    guard isFree else { return }
    let thread = EngineThread(name: "scrub") { [self] in
      let report = spill.verify(bytesPerSecond: bytesPerSecond) { progress in
        state.withLock { state in
          state.last = progress
          return !state.isStopping
        }
      }
      state.withLock { ($0.last, $0.isRunning) = (report, false) }
    }
    let previous = state.withLock { state in
      defer { state.thread = thread }
      return state.thread
    }
    previous?.join()
  }

  func stop() {
    let thread = state.withLock { state in
      state.isStopping = true
      defer { state.thread = nil }
      return state.thread
    }
    thread?.join()
  }

  var reply: VerificationReply {
    let (running, v) = state.withLock { ($0.isRunning, $0.last) }
    return VerificationReply(
      running: running, records: v.records, bytes: v.bytes, verifiedRecords: v.verifiedRecords,
      verifiedBytes: v.verifiedBytes, goneRecords: v.goneRecords, unreadableRecords: v.unreadableRecords,
      damagedRecords: v.damagedRecords,
      damage: v.damage.map {
        .init(tenant: $0.key.tenant.rawValue, key: $0.key.id.hexText, layer: $0.key.layer, why: $0.why)
      }, elapsedMs: v.elapsedMs)
  }
}

extension EngineControl {
  public func verify(_ request: VerifyRequest) throws(ControlError) -> VerificationReply {
    guard let spill = engine.spill else { throw .conflict(noSpill) }
    engine.scrubber.begin(spill, bytesPerSecond: request.rateBytesPerS)
    return engine.scrubber.reply
  }

  public func verification() throws(ControlError) -> VerificationReply { engine.scrubber.reply }

  private var noSpill: String {
    engine.spillFault.map { "there is no spill to verify: \($0.message)" }
      ?? "there is no disk tier to verify: it is chosen when the daemon starts"
  }
}
