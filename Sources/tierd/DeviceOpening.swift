import CUDADriver
import DaemonConfig
import Logging
import TierCore
import TierEngine
import TierMemory

/// The device tier that was configured, as far as it is to be had.
struct DeviceOpening {
  /// Nil where the tier is emulated, or there is none.
  var tier: DeviceTier?
  /// What the tier may hold: 0 for no tier, less than was asked for where others hold the device's memory.
  var budgetBytes: Int

  /// Puts it into the store's options, after the host's memory: that is registered with the device, and placed near it.
  func apply(to options: inout EngineOptions) {
    options.device = tier
    options.hostMemory.registrar = tier?.backend
    options.deviceNode = tier?.backend.reading().numaNode
  }

  /// Memory of a device that is left to its contexts: ours, and those of workers.
  private static let leftBytes = 256 << 20

  /// Without a driver the daemon runs with no device tier, and says so. A device that is not there is refused.
  init(_ configuration: DaemonConfiguration, _ logger: Logger) throws(StoreFault) {
    budgetBytes = configuration.deviceBudgetBytes
    guard case .cuda(let ordinal) = configuration.device else { return }
    let library: CUDALibrary
    do throws(DeviceError) { library = try CUDALibrary(path: configuration.cudaLibrary) } catch {
      logger.error(
        "no device tier: the host is the compute tier until tierd is started again; \(error.message)",
        metadata: ["device": "cuda:\(ordinal)"])
      budgetBytes = 0
      return
    }
    do throws(DeviceError) {
      let device = try CUDADevice(library, ordinal: ordinal)
      tier = try DeviceTier(device)
      let free = try device.freeBytes()
      let most = max(0, free - Self.leftBytes) / device.granularityBytes * device.granularityBytes
      if budgetBytes > most {
        logger.warning(
          "others hold the device's memory: the device tier gets what is free, less than device_budget",
          metadata: [
            "device_budget": "\(ByteCount.text(budgetBytes))", "free": "\(ByteCount.text(free))",
            "tier": "\(ByteCount.text(most))",
          ])
        budgetBytes = most
      }
      logger.info(
        "device opened",
        metadata: [
          "device": "cuda:\(ordinal)", "name": "\(device.name)", "pci": "\(device.pciAddress)",
          "node": "\(device.numaNode.map(String.init) ?? "unknown")", "driver": "\(library.version)",
        ])
    } catch { throw .device(error.message) }
  }
}
