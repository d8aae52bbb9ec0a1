import CLinux
import Glibc

/// Threads that work on one node's memory.
public enum NodeThreads {
  /// From now on the calling thread runs on these processors only; where the system refuses, it stays where it may be.
  public static func run(on cpus: [Int]) {
    guard let most = cpus.max(), most < Int(TIERD_MAX_CPUS) else { return }
    var mask = [UInt64](repeating: 0, count: most / 64 + 1)
    for cpu in cpus { mask[cpu / 64] |= 1 << UInt64(cpu % 64) }
    _ = tierd_run_on_cpus(mask, mask.count)
  }

  private final class Part {
    let cpus: [Int]
    let body: @Sendable () -> Void
    init(_ cpus: [Int], _ body: @escaping @Sendable () -> Void) { (self.cpus, self.body) = (cpus, body) }
  }

  /// Runs the body with 0 to `count - 1`, at once, each on a thread that runs on the processors; returns when all have ended.
  /// A thread that cannot be had is done without: its part is done here.
  static func concurrently(_ count: Int, on cpus: [Int], _ body: @escaping @Sendable (Int) -> Void) {
    var handles: [pthread_t] = []
    for index in 0..<count {
      let part = Unmanaged.passRetained(Part(cpus) { body(index) })
      var handle = pthread_t()
      let code = pthread_create(
        &handle, nil,
        { argument in
          let part = Unmanaged<Part>.fromOpaque(argument!).takeRetainedValue()
          NodeThreads.run(on: part.cpus)
          part.body()
          return nil
        }, part.toOpaque())
      if code == 0 {
        handles.append(handle)
      } else {
        part.takeRetainedValue().body()
      }
    }
    for handle in handles { pthread_join(handle, nil) }
  }
}
