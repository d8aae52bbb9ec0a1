import Glibc

/// A thread that blocks in the kernel. Swift's executors must not, so these are the system's own.
struct SystemThread: Sendable {
  private let handle: pthread_t

  /// Enough for a frame's decoding and a store's handling of it; the default of 8 MiB would be reserved per connection.
  private static let stackBytes = 1 << 20

  /// Throws the error number where the system has no thread to give.
  static func start(_ name: String, _ body: @escaping @Sendable () -> Void) throws(SystemThreadError) -> SystemThread {
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    pthread_attr_setstacksize(&attributes, stackBytes)
    let start = Unmanaged.passRetained(Start(name: name, body: body))
    var handle = pthread_t()
    let result = pthread_create(&handle, &attributes, Start.run, start.toOpaque())
    guard result == 0 else {
      start.release()
      throw SystemThreadError(number: result)
    }
    return SystemThread(handle: handle)
  }

  /// Waits until the thread has ended. Once, by one other thread.
  func join() { pthread_join(handle, nil) }

  private final class Start: Sendable {
    let name: String
    let body: @Sendable () -> Void

    init(name: String, body: @escaping @Sendable () -> Void) {
      self.name = name
      self.body = body
    }

    /// For `ps -L` and debuggers; pthread_setname_np is a GNU extension Swift does not see. Nothing depends on it.
    func tellName() {
      let descriptor = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
      guard descriptor >= 0 else { return }
      _ = write(descriptor, name, min(name.utf8.count, 15))
      close(descriptor)
    }

    static let run: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { argument in
      let start = Unmanaged<Start>.fromOpaque(argument!).takeRetainedValue()
      start.tellName()
      start.body()
      return nil
    }
  }
}

struct SystemThreadError: Error {
  let number: Int32
}

/// A counting semaphore between threads that block.
final class Semaphore: Sendable {
  nonisolated(unsafe) private let semaphore: UnsafeMutablePointer<sem_t>

  init() {
    semaphore = .allocate(capacity: 1)
    sem_init(semaphore, 0, 0)
  }

  deinit {
    sem_destroy(semaphore)
    semaphore.deallocate()
  }

  func signal() { sem_post(semaphore) }

  func wait() { while sem_wait(semaphore) != 0 && errno == EINTR {} }
}
