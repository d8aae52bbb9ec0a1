import DaemonConfig
import Logging
import TierCore
import TierEngine
import TierMemory

/// The host tier on this machine: its pools by NUMA node.
struct HostPlan {
  let bytes: Int
  let pools: [MemoryNode]
  let topology: NodeTopology

  /// Throws where what was asked for cannot be had. A default that is too large is made smaller.
  init(_ configuration: DaemonConfiguration, _ topology: NodeTopology, _ logger: Logger) throws(StoreFault) {
    self.topology = topology
    do throws(NodeFault) {
      pools = try topology.pools(configuration.hostBudget)
    } catch {
      guard !configuration.isHostBudgetGiven else { throw .configuration("host_budget: \(error.message)") }
      let half = topology.withMemory.reduce(0) { $0 + $1.memoryBytes } / 2
      logger.notice(
        "host_budget: \(error.message); it has half of it", metadata: ["host_budget": "\(ByteCount.text(half))"])
      pools = (try? topology.pools(.total(half))) ?? []
    }
    bytes = pools.isEmpty ? configuration.hostBudgetBytes : pools.reduce(0) { $0 + $1.budgetBytes }
  }

  /// Puts it into the store's options. What the system does not allow is told once, and done without.
  func apply(to options: inout EngineOptions) {
    options.hostBytes = bytes
    options.hostNodes = pools
    options.hostMemory.topology = topology
    options.hostMemory.locks = true
    options.hostMemory.usesHugePages = HostMemorySystem.hasHugePages()
  }
}
