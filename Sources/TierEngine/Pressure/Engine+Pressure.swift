import Synchronization
import TierCore
import TierMemory

extension Engine {
  /// The host tier gives way while the machine is short of memory.
  func watchMemory(_ sources: MemorySources) {
    pressure.start(
      sources, host: { [self] in state.withLock { $0.core.hostPool() } },
      allow: { [self] bytes in handle(.setAllowance(.host, bytes: bytes)) }, report: options.report)
  }
}
