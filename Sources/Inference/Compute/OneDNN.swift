import COneDNN
import Glibc

/// oneDNN's engine for this process, made once.
final class OneDNN: @unchecked Sendable {
  // Sendable: an engine is immutable, and oneDNN lets every thread use it.
  let engine: dnnl_engine_t

  private static let made: Result<OneDNN, ComputeError> = {
    do throws(ComputeError) {
      return .success(try OneDNN())
    } catch {
      return .failure(error)
    }
  }()

  /// - Throws: `.oneDNN`.
  static func shared() throws(ComputeError) -> OneDNN {
    try made.get()
  }

  private init() throws(ComputeError) {
    // Tiles are for our own kernels. Some hypervisors offer AMX but hide CPUID leaf 0x1D, where oneDNN looks up the tile
    // palette: it then configures palette 0, which is none, and dies of an illegal instruction. The call is refused
    // where oneDNN was used before or the environment limits it further: both are fine.
    if getenv("DNNL_MAX_CPU_ISA") == nil, getenv("ONEDNN_MAX_CPU_ISA") == nil {
      _ = dnnl_set_max_cpu_isa(dnnl_cpu_isa_avx512_core_bf16)
    }
    var engine: dnnl_engine_t?
    try Self.check(dnnl_engine_create(&engine, dnnl_cpu, 0), "start its CPU engine")
    guard let engine else { throw .oneDNN(operation: "start its CPU engine", status: 0) }
    self.engine = engine
  }

  /// - Throws: `.oneDNN` unless `status` is success; `operation` completes "oneDNN cannot …".
  static func check(_ status: dnnl_status_t, _ operation: @autoclosure () -> String) throws(ComputeError) {
    guard status == dnnl_success else { throw .oneDNN(operation: operation(), status: status.rawValue) }
  }
}

extension ComputeType {
  var oneDNNType: dnnl_data_type_t {
    switch self {
    case .f32: dnnl_f32
    case .bf16: dnnl_bf16
    }
  }
}

/// oneDNN's description of a matrix, which is a value.
struct OneDNNLayout: @unchecked Sendable {
  let description: dnnl_memory_desc_t
}
