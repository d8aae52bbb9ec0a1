import CLinux
import Glibc

/// Jobs for threads of their own, first in, first out. What bounds it is what makes the jobs: one per slot at most.
final class WorkQueue<Job: Sendable>: @unchecked Sendable {
  private var mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private var condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private var jobs: [Job] = []
  private var isClosed = false
  private var pushed: UInt64 = 0
  private var finished: UInt64 = 0

  init() {
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(condition, nil)
  }

  deinit {
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(mutex)
    condition.deallocate()
    mutex.deallocate()
  }

  var count: Int {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return jobs.count
  }

  /// How far the work has come: jobs pushed and not finished yet, those taken included; and jobs finished ever.
  var progress: (unfinished: Int, finished: UInt64) {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return (Int(pushed - finished), finished)
  }

  func push(_ job: Job) {
    pthread_mutex_lock(mutex)
    pushed += 1
    jobs.append(job)
    pthread_cond_signal(condition)
    pthread_mutex_unlock(mutex)
  }

  /// The next jobs, at most `limit`; waits for one. Nil once closed and empty.
  func pop(atMost limit: Int) -> [Job]? {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    while jobs.isEmpty {
      if isClosed { return nil }
      pthread_cond_wait(condition, mutex)
    }
    let taken = Array(jobs.prefix(limit))
    jobs.removeFirst(taken.count)
    return taken
  }

  /// As `pop`, without waiting: empty where there is nothing to do now.
  func popNow(atMost limit: Int) -> [Job] {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    let taken = Array(jobs.prefix(limit))
    jobs.removeFirst(taken.count)
    return taken
  }

  /// So many of the jobs taken are done and told.
  func finish(_ count: Int) {
    pthread_mutex_lock(mutex)
    finished += UInt64(count)
    pthread_mutex_unlock(mutex)
  }

  /// No more jobs come; those queued are still handed out.
  func close() {
    pthread_mutex_lock(mutex)
    isClosed = true
    pthread_cond_broadcast(condition)
    pthread_mutex_unlock(mutex)
  }
}

/// A thread that can be waited for.
final class EngineThread: @unchecked Sendable {
  private var handle = pthread_t()
  private final class Body {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  init(name: String, _ run: @escaping @Sendable () -> Void) {
    let body = Unmanaged.passRetained(Body(run))
    let code = pthread_create(
      &handle, nil,
      { argument in
        Unmanaged<Body>.fromOpaque(argument!).takeRetainedValue().run()
        return nil
      }, body.toOpaque())
    precondition(code == 0, "cannot start the thread \(name): \(String(cString: strerror(code)))")
    tierd_name_thread(handle, name)
  }

  func join() { pthread_join(handle, nil) }
}
