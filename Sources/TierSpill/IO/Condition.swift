import Glibc

/// A pthread mutex and condition: what `Mutex` has no wait for. Waits are bounded, on the monotonic clock.
final class Condition: @unchecked Sendable {
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let signal = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

  init() {
    pthread_mutex_init(mutex, nil)
    var attributes = pthread_condattr_t()
    pthread_condattr_init(&attributes)
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    pthread_cond_init(signal, &attributes)
    pthread_condattr_destroy(&attributes)
  }

  deinit {
    pthread_cond_destroy(signal)
    pthread_mutex_destroy(mutex)
    signal.deallocate()
    mutex.deallocate()
  }

  func lock() { pthread_mutex_lock(mutex) }
  func unlock() { pthread_mutex_unlock(mutex) }
  func broadcast() { pthread_cond_broadcast(signal) }

  /// With the lock held: waits until `ready`, evaluated under the lock, or the time is up. Whether it is ready.
  func wait(timeoutMs: Int, until ready: () -> Bool) -> Bool {
    wait(timeoutNs: UInt64(timeoutMs) * 1_000_000, until: ready)
  }

  func wait(timeoutNs: UInt64, until ready: () -> Bool) -> Bool {
    let deadlineNs = MonotonicClock.nowNs() + timeoutNs
    var deadline = timespec(tv_sec: Int(deadlineNs / 1_000_000_000), tv_nsec: Int(deadlineNs % 1_000_000_000))
    while !ready() {
      if pthread_cond_timedwait(signal, mutex, &deadline) == ETIMEDOUT { return ready() }
    }
    return true
  }
}

package enum MonotonicClock {
  package static func nowNs() -> UInt64 {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
  }
}
