import CCUDA
import Glibc
public import TierMemory

/// One GPU, with its primary context: memory, copies and what operators are shown of it.
///
/// The context is made with the value and given back with it, so a process that configures no device has none.
public final class CUDADevice: DeviceBackend {
  public let granularityBytes: Int
  public let uuid: DeviceUUID
  public let name: String
  public let pciAddress: String
  /// Nil where the system does not say.
  public let numaNode: Int?
  public let totalBytes: Int

  let library: CUDALibrary
  let handle: cu_device
  private let context: Context

  var functions: CUDAFunctions { library.functions }

  /// A `cu_context` may be used from any thread; each makes it its own first.
  private struct Context: @unchecked Sendable { let handle: cu_context }

  /// - Parameter ordinal: as the driver counts the devices this process may see.
  public init(_ library: CUDALibrary, ordinal: Int) throws(DeviceError) {
    let count = try library.deviceCount()
    guard (0..<count).contains(ordinal) else {
      let there = count == 0 ? "none" : count == 1 ? "only cuda:0" : "cuda:0 to cuda:\(count - 1)"
      throw .unavailable(
        "there is no cuda:\(ordinal): the driver shows \(there); choose another, or take --device none")
    }
    self.library = library
    let functions = library.functions
    var handle: cu_device = 0
    try functions.check(functions.device(&handle, Int32(ordinal)), "cuDeviceGet")
    self.handle = handle
    name = try functions.name(of: handle)
    uuid = try functions.uuid(of: handle)
    pciAddress = try functions.pciAddress(of: handle)
    numaNode = NodeTopology.read().node(ofDevice: pciAddress)
    totalBytes = try functions.totalBytes(of: handle)
    for (attribute, what) in [
      (CU_ATTRIBUTE_VIRTUAL_MEMORY, "virtual memory management"),
      (CU_ATTRIBUTE_POSIX_DESCRIPTORS, "memory that is shared by descriptors"),
    ] where try functions.attribute(attribute, of: handle) == 0 {
      throw .unavailable("cuda:\(ordinal), \(name), has no \(what): take --device none, or another GPU")
    }
    var made: cu_context?
    try functions.check(functions.retainContext(&made, handle), "cuDevicePrimaryCtxRetain")
    guard let made else { throw .failed("cuDevicePrimaryCtxRetain gave no context") }
    context = Context(handle: made)
    var properties = Self.properties(of: handle)
    var granularity = 0
    let code = functions.granularity(&granularity, &properties, CU_GRANULARITY_MINIMUM)
    granularityBytes = granularity
    guard code == CU_OK, granularity > 0 else {
      _ = functions.releaseContext(handle)
      try functions.check(code, "cuMemGetAllocationGranularity")
      throw .failed("cuMemGetAllocationGranularity gave \(granularity) bytes")
    }
  }

  deinit { _ = functions.releaseContext(handle) }

  /// Makes the device's context the calling thread's. Cheap where it is already.
  func enter() throws(DeviceError) { try functions.check(functions.setContext(context.handle), "cuCtxSetCurrent") }

  static func properties(of handle: cu_device) -> cu_allocation_properties {
    var properties = cu_allocation_properties()
    properties.type = CU_ALLOCATION_PINNED
    properties.requested_handle_types = CU_HANDLE_POSIX_DESCRIPTOR
    properties.location = cu_location(type: CU_LOCATION_DEVICE, id: handle)
    return properties
  }

  public func reading() -> DeviceReading {
    DeviceReading(
      name: name, pciAddress: pciAddress, numaNode: numaNode, totalBytes: totalBytes, freeBytes: try? freeBytes())
  }

  /// What nobody has of the device's memory now, other processes included.
  public func freeBytes() throws(DeviceError) -> Int {
    try enter()
    var (free, total) = (0, 0)
    try functions.check(functions.memoryInfo(&free, &total), "cuMemGetInfo")
    return free
  }

  public func makeMemory(sizeBytes: Int) throws(DeviceError) -> any DeviceMemory {
    try CUDAMemory(self, sizeBytes: sizeBytes)
  }

  public func register(_ base: UnsafeMutableRawPointer, bytes: Int) throws(HostRegistrarFault) {
    do throws(DeviceError) {
      try enter()
      try functions.check(functions.registerHost(base, bytes, UInt32(CU_REGISTER_PORTABLE)), "cuMemHostRegister")
    } catch { throw HostRegistrarFault(error.message) }
  }

  public func unregister(_ base: UnsafeMutableRawPointer, bytes: Int) {
    // What fails here, fails because the device is gone, and with it the registration.
    try? enter()
    _ = functions.unregisterHost(base)
  }

  public func read(_ address: UInt64, into bytes: UnsafeMutableRawBufferPointer) throws(DeviceError) {
    guard let base = bytes.baseAddress else { return }
    try enter()
    try functions.check(functions.copyToHostNow(base, address, bytes.count), "cuMemcpyDtoH")
  }

  public func makeQueue() throws(DeviceError) -> any CopyQueue { try CUDAQueue(self) }
}

extension CUDAFunctions {
  fileprivate func attribute(_ attribute: Int32, of device: cu_device) throws(DeviceError) -> Int32 {
    var value: Int32 = 0
    try check(deviceAttribute(&value, attribute, device), "cuDeviceGetAttribute")
    return value
  }

  fileprivate func name(of device: cu_device) throws(DeviceError) -> String {
    var text = [CChar](repeating: 0, count: 256)
    try check(deviceName(&text, Int32(text.count), device), "cuDeviceGetName")
    return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  func uuid(of device: cu_device) throws(DeviceError) -> DeviceUUID {
    var uuid = cu_uuid()
    try check(deviceUUID(&uuid, device), "cuDeviceGetUuid")
    return DeviceUUID(withUnsafeBytes(of: &uuid) { [UInt8]($0) })!
  }

  fileprivate func totalBytes(of device: cu_device) throws(DeviceError) -> Int {
    var bytes = 0
    try check(deviceTotalMemory(&bytes, device), "cuDeviceTotalMem")
    return bytes
  }

  /// As sysfs spells it: domain, bus and device in lower-case hexadecimal; a GPU is function 0.
  fileprivate func pciAddress(of device: cu_device) throws(DeviceError) -> String {
    func hex(_ attribute: Int32, _ digits: Int) throws(DeviceError) -> String {
      let text = String(try self.attribute(attribute, of: device), radix: 16)
      return String(repeating: "0", count: max(0, digits - text.count)) + text
    }
    return "\(try hex(CU_ATTRIBUTE_PCI_DOMAIN, 4)):\(try hex(CU_ATTRIBUTE_PCI_BUS, 2))"
      + ":\(try hex(CU_ATTRIBUTE_PCI_DEVICE, 2)).0"
  }
}
