import CCUDA
public import TierMemory

/// The CUDA driver of this machine, opened when the process needs it and never closed: it cannot be taken out of a process.
public final class CUDALibrary: Sendable {
  /// Where the loader finds the driver.
  public static let defaultPath = "libcuda.so.1"

  let functions: CUDAFunctions
  /// As the driver counts: 1000 × major + 10 × minor of the newest CUDA it supports.
  public let version: Int

  /// Opens the driver and initialises it. No context is made and no device touched.
  /// `unavailable` where there is no driver, it is too old, or it finds no device.
  public init(path: String = defaultPath) throws(DeviceError) {
    var why: UnsafePointer<CChar>?
    guard let library = tierd_open_library(path, &why) else {
      let cause = why.map { String(cString: $0) } ?? "no reason given"
      throw .unavailable("there is no CUDA driver (\(cause)): install NVIDIA's, or take --device none")
    }
    functions = try CUDAFunctions(library)
    let code = functions.initialize(0)
    guard code == CU_OK else {
      let text = functions.text(of: code)
      throw .unavailable(
        "the CUDA driver does not start: \(text); is a GPU there, and may this user open /dev/nvidia*?")
    }
    var version: Int32 = 0
    try functions.check(functions.driverVersion(&version), "cuDriverGetVersion")
    self.version = Int(version)
  }

  /// Devices the driver shows this process (`CUDA_VISIBLE_DEVICES` hides some).
  public func deviceCount() throws(DeviceError) -> Int {
    var count: Int32 = 0
    try functions.check(functions.deviceCount(&count), "cuDeviceGetCount")
    return Int(count)
  }

  /// What names a device, without making a context of it.
  public func uuid(ofDevice ordinal: Int) throws(DeviceError) -> DeviceUUID {
    var device: cu_device = 0
    try functions.check(functions.device(&device, Int32(ordinal)), "cuDeviceGet")
    return try functions.uuid(of: device)
  }
}

extension CUDAFunctions {
  /// Throws what a result other than success means.
  func check(_ code: cu_result, _ call: StaticString) throws(DeviceError) {
    guard code != CU_OK else { return }
    let text = "\(call): \(text(of: code))"
    throw Self.isSticky(code) ? .lost(text) : .failed(text)
  }

  func text(of code: cu_result) -> String {
    func word(_ function: cu_get_error_text_fn) -> String? {
      var text: UnsafePointer<CChar>?
      guard function(code, &text) == CU_OK else { return nil }
      return text.map { String(cString: $0) }
    }
    guard let name = word(errorName) else { return "error \(code)" }
    return word(errorText).map { "\($0) (\(name))" } ?? name
  }

  /// Errors after which every later call in the process fails too: the context is gone, or the device. Ranges of the Driver API
  /// reference, `CUresult`: 46 device unavailable, 214 and 220 to 227 hardware, 700 to 719 kernels and addresses, 999 unknown.
  static func isSticky(_ code: cu_result) -> Bool {
    switch code {
    case 712, 713: false  // Host memory already, or not, registered.
    case 4, 46, 201, 214, 220...227, 700...719, 999: true
    default: false
    }
  }
}
