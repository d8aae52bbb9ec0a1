import Glibc

/// libgomp comes with oneDNN. The pool's threads each compute their own rows, so OpenMP must not start teams below
/// them: its workers would spin on the cores we compute on.
enum OpenMP {
  private typealias SetThreads = @convention(c) (CInt) -> Void

  private static let setThreads: SetThreads? = {
    guard let symbol = dlsym(nil, "omp_set_num_threads") else { return nil }
    return unsafeBitCast(symbol, to: SetThreads.self)
  }()

  /// From here on, parallel regions that the calling thread enters run on it alone.
  static func useOneThread() {
    setThreads?(1)
  }
}
