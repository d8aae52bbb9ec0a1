import CCUDA
import Glibc
public import TierMemory

/// Arithmetic without end on every multiprocessor, for measuring what copies do beside it. The store itself launches nothing.
public final class Burner {
  /// Each thread multiplies and adds a million times. PTX of a version every driver this project takes understands.
  private static let kernel = """
    .version 7.0
    .target sm_50
    .address_size 64
    .visible .entry burn(.param .u64 out) {
      .reg .pred %p;
      .reg .f32 %f<4>;
      .reg .b32 %r<4>;
      .reg .b64 %rd<4>;
      ld.param.u64 %rd1, [out];
      mov.f32 %f1, 0f3F800001;
      mov.f32 %f2, 0f3F7FFFFF;
      mov.u32 %r1, 0;
    again:
      fma.rn.f32 %f1, %f1, %f2, %f2;
      fma.rn.f32 %f1, %f1, %f2, %f1;
      fma.rn.f32 %f1, %f1, %f2, %f2;
      fma.rn.f32 %f1, %f1, %f2, %f1;
      add.u32 %r1, %r1, 1;
      setp.lt.u32 %p, %r1, 250000;
      @%p bra again;
      mov.u32 %r2, %tid.x;
      setp.ne.u32 %p, %r2, 4294967295;
      @%p bra done;
      st.global.f32 [%rd1], %f1;
    done:
      ret;
    }
    """

  private let device: CUDADevice
  private let function: cu_function
  private let memory: any DeviceMemory

  public init(_ device: CUDADevice) throws(DeviceError) {
    let functions = device.functions
    try device.enter()
    var module: cu_module?
    let code = Self.kernel.withCString { functions.loadModule(&module, $0) }
    try functions.check(code, "cuModuleLoadData")
    var function: cu_function?
    try functions.check(functions.moduleFunction(&function, module, "burn"), "cuModuleGetFunction")
    guard let function else { throw .failed("cuModuleGetFunction gave no function") }
    self.device = device
    self.function = function
    memory = try device.makeMemory(sizeBytes: 1)
  }

  public func burn(seconds: Int) throws(DeviceError) {
    let functions = device.functions
    try device.enter()
    var stream: cu_stream?
    try functions.check(functions.createStream(&stream, UInt32(CU_STREAM_APART_FROM_DEFAULT)), "cuStreamCreate")
    guard let stream else { throw .failed("cuStreamCreate gave no stream") }
    defer { _ = functions.destroyStream(stream) }
    let end = time(nil) + seconds
    while time(nil) < end {
      for _ in 0..<4 { try launch(on: stream) }
      try functions.check(functions.synchronizeStream(stream), "cuStreamSynchronize")
    }
  }

  private func launch(on stream: cu_stream) throws(DeviceError) {
    var address = memory.address
    let code = withUnsafeMutablePointer(to: &address) { address in
      var parameters: [UnsafeMutableRawPointer?] = [UnsafeMutableRawPointer(address)]
      return device.functions.launch(function, 1056, 1, 1, 256, 1, 1, 0, stream, &parameters, nil)
    }
    try device.functions.check(code, "cuLaunchKernel")
  }
}
