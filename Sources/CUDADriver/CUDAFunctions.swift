import CCUDA
import TierMemory

/// The driver's functions, found by name. Required ones are all there or the driver is not used; a driver that is too old
/// lacks some, and is told so by their names.
struct CUDAFunctions: @unchecked Sendable {
  let initialize: cu_init_fn
  let driverVersion: cu_driver_get_version_fn
  let errorName: cu_get_error_text_fn
  let errorText: cu_get_error_text_fn
  let deviceCount: cu_device_get_count_fn
  let device: cu_device_get_fn
  let deviceName: cu_device_get_name_fn
  let deviceUUID: cu_device_get_uuid_fn
  let deviceAttribute: cu_device_get_attribute_fn
  let deviceTotalMemory: cu_device_total_memory_fn
  let retainContext: cu_primary_context_retain_fn
  let releaseContext: cu_primary_context_release_fn
  let setContext: cu_context_set_current_fn
  let memoryInfo: cu_memory_info_fn
  let granularity: cu_granularity_fn
  let createMemory: cu_memory_create_fn
  let releaseMemory: cu_memory_release_fn
  let reserveAddresses: cu_address_reserve_fn
  let freeAddresses: cu_address_free_fn
  let map: cu_memory_map_fn
  let unmap: cu_memory_unmap_fn
  let setAccess: cu_set_access_fn
  let exportMemory: cu_export_fn
  let importMemory: cu_import_fn
  let registerHost: cu_host_register_fn
  let unregisterHost: cu_host_unregister_fn
  let copyToDevice: cu_copy_to_device_async_fn
  let copyToHost: cu_copy_to_host_async_fn
  let copyToHostNow: cu_copy_to_host_fn
  let copyToDeviceNow: cu_copy_to_device_fn
  let fill: cu_fill_fn
  let createStream: cu_stream_create_fn
  let destroyStream: cu_stream_fn
  let synchronizeStream: cu_stream_fn
  let createEvent: cu_event_create_fn
  let destroyEvent: cu_event_fn
  let recordEvent: cu_event_record_fn
  let queryEvent: cu_event_fn
  let synchronizeEvent: cu_event_fn
  /// For `tier-gpu-check`, which keeps a GPU busy; the store launches nothing.
  let loadModule: cu_module_load_fn
  let moduleFunction: cu_module_function_fn
  let launch: cu_launch_fn

  /// - Parameter library: from `tierd_open_library`.
  init(_ library: UnsafeMutableRawPointer) throws(DeviceError) {
    var finder = SymbolFinder(library: library)
    initialize = finder.find("cuInit")
    driverVersion = finder.find("cuDriverGetVersion")
    errorName = finder.find("cuGetErrorName")
    errorText = finder.find("cuGetErrorString")
    deviceCount = finder.find("cuDeviceGetCount")
    device = finder.find("cuDeviceGet")
    deviceName = finder.find("cuDeviceGetName")
    deviceUUID = finder.find("cuDeviceGetUuid_v2")
    deviceAttribute = finder.find("cuDeviceGetAttribute")
    deviceTotalMemory = finder.find("cuDeviceTotalMem_v2")
    retainContext = finder.find("cuDevicePrimaryCtxRetain")
    releaseContext = finder.find("cuDevicePrimaryCtxRelease_v2")
    setContext = finder.find("cuCtxSetCurrent")
    memoryInfo = finder.find("cuMemGetInfo_v2")
    granularity = finder.find("cuMemGetAllocationGranularity")
    createMemory = finder.find("cuMemCreate")
    releaseMemory = finder.find("cuMemRelease")
    reserveAddresses = finder.find("cuMemAddressReserve")
    freeAddresses = finder.find("cuMemAddressFree")
    map = finder.find("cuMemMap")
    unmap = finder.find("cuMemUnmap")
    setAccess = finder.find("cuMemSetAccess")
    exportMemory = finder.find("cuMemExportToShareableHandle")
    importMemory = finder.find("cuMemImportFromShareableHandle")
    registerHost = finder.find("cuMemHostRegister_v2")
    unregisterHost = finder.find("cuMemHostUnregister")
    copyToDevice = finder.find("cuMemcpyHtoDAsync_v2")
    copyToHost = finder.find("cuMemcpyDtoHAsync_v2")
    copyToHostNow = finder.find("cuMemcpyDtoH_v2")
    copyToDeviceNow = finder.find("cuMemcpyHtoD_v2")
    fill = finder.find("cuMemsetD8_v2")
    createStream = finder.find("cuStreamCreate")
    destroyStream = finder.find("cuStreamDestroy_v2")
    synchronizeStream = finder.find("cuStreamSynchronize")
    createEvent = finder.find("cuEventCreate")
    destroyEvent = finder.find("cuEventDestroy_v2")
    recordEvent = finder.find("cuEventRecord")
    queryEvent = finder.find("cuEventQuery")
    synchronizeEvent = finder.find("cuEventSynchronize")
    loadModule = finder.find("cuModuleLoadData")
    moduleFunction = finder.find("cuModuleGetFunction")
    launch = finder.find("cuLaunchKernel")
    guard finder.missing.isEmpty else {
      throw .unavailable(
        "the CUDA driver lacks \(finder.missing.joined(separator: ", ")): install one for CUDA 11.3 or later")
    }
  }
}

private struct SymbolFinder {
  let library: UnsafeMutableRawPointer
  var missing: [String] = []

  /// What is not there is noted; a value that must never be called stands in for it until the initialiser throws.
  mutating func find<Function>(_ name: String) -> Function {
    let symbol = tierd_find_symbol(library, name)
    if symbol == nil { missing.append(name) }
    return unsafeBitCast(symbol ?? library, to: Function.self)
  }
}
