import Glibc
import Synchronization

/// A fixed set of threads that carry out loops together; the caller is one of them.
///
/// Threads spin for a moment after a loop, because the next one follows in microseconds during a forward pass, and then
/// sleep. One thread at a time may call `run`.
public final class WorkerPool: Sendable {
  /// Threads a loop runs on, the caller's included.
  public let threadCount: Int

  private let crew = Crew()
  private let threads: [pthread_t]

  /// - Parameter threadCount: at least 1.
  /// - Throws: `.threadNotStarted`.
  public init(threadCount: Int) throws(ComputeError) {
    precondition(threadCount > 0, "a pool of \(threadCount) threads")
    self.threadCount = threadCount
    OpenMP.useOneThread()
    var threads: [pthread_t] = []
    do throws(ComputeError) {
      for index in 1..<max(threadCount, 1) {
        threads.append(try Self.start { [crew] in crew.serve(thread: index) })
      }
    } catch {
      crew.stop()
      for thread in threads { pthread_join(thread, nil) }
      throw error
    }
    self.threads = threads
  }

  deinit {
    crew.stop()
    for thread in threads { pthread_join(thread, nil) }
  }

  /// Calls `body(index, thread)` for each index in `0 ..< count`, in no particular order; `thread` is in
  /// `0 ..< threadCount` and no two calls with the same `thread` overlap. Returns when all are done.
  /// - Throws: the first error of `body`; indices not yet begun are then left out.
  public func run(_ count: Int, _ body: (_ index: Int, _ thread: Int) throws -> Void) throws {
    guard count > 1, threadCount > 1 else {
      for index in 0..<count { try body(index, 0) }
      return
    }
    withoutActuallyEscaping(body) { body in
      crew.carryOut(Job(count: count, body: body), with: threadCount - 1)
    }
    if let error = crew.takeFailure() { throw error }
  }

  private static func start(_ body: @escaping () -> Void) throws(ComputeError) -> pthread_t {
    final class Box {
      let body: () -> Void
      init(_ body: @escaping () -> Void) { self.body = body }
    }
    let box = Unmanaged.passRetained(Box(body))
    var thread = pthread_t()
    let code = pthread_create(
      &thread, nil,
      { argument in
        Unmanaged<Box>.fromOpaque(argument!).takeRetainedValue().body()
        return nil
      }, box.toOpaque())
    guard code == 0 else {
      box.release()
      throw .threadNotStarted(code: code)
    }
    return thread
  }
}

/// One loop: `body(index, thread)` for each index, handed out one by one.
private struct Job {
  let count: Int
  let body: (Int, Int) throws -> Void
}

/// What the threads of a pool share. They keep it alive, so that the pool itself can go and stop them.
private final class Crew: @unchecked Sendable {
  // Sendable: `job` is written only while every other thread waits for the next generation.

  static let spinLimit = 20_000

  private var job: Job?
  private let failure = Mutex<(any Error)?>(nil)
  private let next = Atomic<Int>(0)
  private let running = Atomic<Int>(0)
  private let generation = Atomic<UInt32>(0)
  private let stopping = Atomic<Bool>(false)
  private let bell = Bell()

  /// Runs the loop on the calling thread and on the `others`, which all take part, if only to find nothing left.
  func carryOut(_ job: Job, with others: Int) {
    self.job = job
    next.store(0, ordering: .relaxed)
    running.store(others, ordering: .relaxed)
    generation.wrappingAdd(1, ordering: .releasing)
    bell.ring()
    work(thread: 0)
    var spins = 0
    while running.load(ordering: .acquiring) > 0 {
      spins += 1
      // The others may need this core to finish.
      if spins > Self.spinLimit { sched_yield() }
    }
    self.job = nil
  }

  func takeFailure() -> (any Error)? {
    failure.withLock { error in
      defer { error = nil }
      return error
    }
  }

  func serve(thread: Int) {
    OpenMP.useOneThread()
    var seen: UInt32 = 0
    while true {
      awaitGeneration(after: seen)
      seen &+= 1
      if stopping.load(ordering: .acquiring) { return }
      work(thread: thread)
      running.wrappingSubtract(1, ordering: .releasing)
    }
  }

  func stop() {
    stopping.store(true, ordering: .releasing)
    generation.wrappingAdd(1, ordering: .releasing)
    bell.ring()
  }

  private func work(thread: Int) {
    guard let job else { return }
    while true {
      let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
      guard index < job.count else { return }
      do {
        try job.body(index, thread)
      } catch {
        next.store(job.count, ordering: .relaxed)
        failure.withLock { if $0 == nil { $0 = error } }
        return
      }
    }
  }

  private func awaitGeneration(after seen: UInt32) {
    for _ in 0..<Self.spinLimit where generation.load(ordering: .acquiring) != seen { return }
    bell.wait { generation.load(ordering: .acquiring) != seen }
  }
}
