/// Arithmetic that could not be set up or carried out on this machine.
public enum ComputeError: Error, Sendable, Hashable {
  /// oneDNN refused: `status` is its `dnnl_status_t`.
  case oneDNN(operation: String, status: UInt32)
  /// A panel of a matrix is larger than a weight shard may be.
  case panelTooLarge(bytes: Int, limitBytes: Int)
  /// A thread of the pool could not be started: `code` is an errno.
  case threadNotStarted(code: Int32)

  /// One sentence for a user.
  public var message: String {
    switch self {
    case .oneDNN(let operation, let status):
      "oneDNN cannot \(operation) on this machine (status \(status)): check that libdnnl 2.6 is installed"
    case .panelTooLarge(let bytes, let limit):
      "\(bytes) bytes of weights do not fit a shard of \(limit): keep them out of the store with --weights private"
    case .threadNotStarted(let code):
      "a compute thread cannot be started (errno \(code)): lower --threads or raise the process limit"
    }
  }
}
