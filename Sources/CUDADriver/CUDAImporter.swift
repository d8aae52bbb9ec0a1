import Synchronization
public import TierCore
import TierMemory

/// Imports a store's CUDA memory into a worker. Opens the driver, and a device's context, when the first memory of it comes.
public final class CUDAImporter: DeviceImporter {
  private struct State {
    var library: CUDALibrary?
    var devices: [DeviceUUID: CUDADevice] = [:]
  }

  private let path: String
  private let state = Mutex(State())

  public init(driver path: String = CUDALibrary.defaultPath) { self.path = path }

  public func importMemory(
    descriptor: Int32, device: [UInt8], allocationBytes: Int
  ) throws(ResidencyError) -> any ImportedDeviceMemory {
    guard let uuid = DeviceUUID(device) else { throw .badSlot("a device is named by \(device.count) bytes, not 16") }
    do throws(DeviceError) {
      return try ImportedCUDAMemory(try self.device(uuid), descriptor: descriptor, sizeBytes: allocationBytes)
    } catch { throw .badSlot("the store's device memory cannot be used here: \(error.message)") }
  }

  private func device(_ uuid: DeviceUUID) throws(DeviceError) -> CUDADevice {
    try state.withLock { state throws(DeviceError) in
      if let device = state.devices[uuid] { return device }
      let library: CUDALibrary
      if let open = state.library { library = open } else { library = try CUDALibrary(path: path) }
      state.library = library
      for ordinal in 0..<(try library.deviceCount()) where try library.uuid(ofDevice: ordinal) == uuid {
        let device = try CUDADevice(library, ordinal: ordinal)
        state.devices[uuid] = device
        return device
      }
      throw .unavailable("this process sees none with its UUID; does CUDA_VISIBLE_DEVICES hide it?")
    }
  }
}
