import Logging
import ServiceLifecycle
import TierMemory

/// Ends the daemon where its device does not answer any more: a process cannot get a lost device back, its next life can.
/// The host tier's memory is the service manager's to keep meanwhile.
struct DeviceLossService: Service {
  private let losses: AsyncStream<DeviceError>
  let logger: Logger
  /// What the store calls.
  let lost: @Sendable (DeviceError) -> Void

  init(logger: Logger) {
    let (stream, continuation) = AsyncStream.makeStream(of: DeviceError.self, bufferingPolicy: .bufferingOldest(1))
    losses = stream
    lost = { continuation.yield($0) }
    self.logger = logger
  }

  func run() async throws {
    for await error in losses.cancelOnGracefulShutdown() {
      logger.critical("\(error.message); tierd ends, and is to be started anew")
      throw StoreFault.inputOutput(error.message)
    }
  }
}
