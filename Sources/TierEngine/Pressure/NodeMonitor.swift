import Glibc
import Synchronization
import TierCore
import TierMemory

/// Watches the memory of the host's nodes, where there are several, on a thread of its own: what one runs short of is not put
/// there.
final class NodeMonitor: Sendable {
  private struct State {
    var thread: EngineThread?
    var isStopping = false
  }
  private static let periodUs: UInt32 = 100_000
  private let state = Mutex(State())

  func start(_ engine: Engine) {
    let nodes = engine.options.hostNodes.map(\.id)
    guard nodes.count > 1 else { return }
    let topology = engine.options.hostMemory.topology
    let thread = EngineThread(name: "nodes") { [self] in
      var watch = NodeWatch()
      while !state.withLock({ $0.isStopping }) {
        let readings = nodes.compactMap { node in
          topology.memory(of: node).map { (node: node, totalBytes: $0.totalBytes, availableBytes: $0.availableBytes) }
        }
        let before = watch.short
        if watch.take(readings) {
          engine.handle(.setShortNodes(watch.short))
          for line in Self.news(before, watch.short) { engine.options.report(line) }
        }
        usleep(Self.periodUs)
      }
    }
    state.withLock { $0.thread = thread }
  }

  static func news(_ before: Set<Int>, _ after: Set<Int>) -> [String] {
    after.subtracting(before).sorted().map {
      "NUMA node \($0) is short of memory: new blocks go to other nodes until there is more; stop what takes it, or give "
        + "the node less of host_budget"
    } + before.subtracting(after).sorted().map { "NUMA node \($0) has memory again" }
  }

  func stop() {
    let thread = state.withLock { state in
      state.isStopping = true
      defer { state.thread = nil }
      return state.thread
    }
    thread?.join()
  }
}
