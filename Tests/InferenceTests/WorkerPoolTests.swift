import Glibc
import Inference
import Synchronization
import Testing

@Suite struct WorkerPoolTests {
  @Test("Every index is done once, loop after loop", arguments: [1, 2, 3, 8])
  func everyIndex(threads: Int) throws {
    let pool = try WorkerPool(threadCount: threads)
    for count in [0, 1, 2, 7, 1000] {
      let seen = Mutex([Int](repeating: 0, count: count))
      for _ in 0..<50 { try pool.run(count) { index, _ in seen.withLock { $0[index] += 1 } } }
      #expect(seen.withLock { $0.allSatisfy { $0 == 50 } })
    }
  }

  @Test("No two calls of one thread overlap")
  func threadNumbers() throws {
    let pool = try WorkerPool(threadCount: 4)
    let busy = Mutex([Bool](repeating: false, count: 4))
    let overlaps = Mutex(0)
    for _ in 0..<200 {
      try pool.run(16) { _, thread in
        if busy.withLock({ state in
          defer { state[thread] = true }
          return state[thread]
        }) {
          overlaps.withLock { $0 += 1 }
        }
        busy.withLock { $0[thread] = false }
      }
    }
    #expect(overlaps.withLock { $0 } == 0)
  }

  @Test("An error ends the loop and leaves the pool usable")
  func errors() throws {
    struct Stop: Error {}
    let pool = try WorkerPool(threadCount: 2)
    #expect(throws: Stop.self) {
      try pool.run(1000) { index, _ in if index == 3 { throw Stop() } }
    }
    let done = Atomic<Int>(0)
    try pool.run(10) { _, _ in done.add(1, ordering: .relaxed) }
    #expect(done.load(ordering: .relaxed) == 10)
  }

  @Test("Threads that went to sleep wake up")
  func sleep() throws {
    let pool = try WorkerPool(threadCount: 2)
    for _ in 0..<20 {
      let done = Atomic<Int>(0)
      try pool.run(4) { _, _ in done.add(1, ordering: .relaxed) }
      #expect(done.load(ordering: .relaxed) == 4)
      usleepBriefly()
    }
  }
}

private func usleepBriefly() {
  usleep(2000)
}
