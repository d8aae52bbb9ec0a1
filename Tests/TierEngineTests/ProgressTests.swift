import Glibc
import Synchronization
import Testing
import TierCore

@testable import TierEngine

/// What the store tells of its threads, which decides whether the service manager lets it live.
@Suite struct ProgressTests {
  private func part(_ name: String, _ engine: Engine) throws -> WorkProgress {
    try #require(engine.progress().first { $0.name == name })
  }

  private func waitUntil(_ isSo: () -> Bool) -> Bool {
    for _ in 0..<5000 {
      if isSo() { return true }
      usleep(1000)
    }
    return false
  }

  @Test("An idle engine gets its turns, and a held lock stops them") func engineLock() throws {
    let engine = try Engine(EngineOptions(deviceBytes: 0, hostBytes: 4 << 20, diskBytes: 0))
    defer { engine.stop() }
    let first = try part("engine", engine).finished
    #expect(waitUntil { engine.progress()[0].finished > first })
    #expect(try part("engine", engine).unfinished == 1, "there is always a next turn")
    engine.state.withLock { _ in
      let held = engine.progress()[0].finished
      usleep(400_000)
      #expect(engine.progress()[0].finished <= held + 1, "at most the tick that had the lock already is counted")
    }
    let after = try part("engine", engine).finished
    #expect(waitUntil { engine.progress()[0].finished > after })
  }

  @Test("The movers are there and have nothing to do") func idleMovers() throws {
    let engine = try Engine(EngineOptions(deviceBytes: 4 << 20, hostBytes: 4 << 20, diskBytes: 0))
    #expect(engine.progress().map(\.name) == ["engine", "births", "link-up", "link-down"])
    #expect(engine.progress().dropFirst().allSatisfy { $0.unfinished == 0 && $0.finished == 0 })
    engine.stop()
    #expect(engine.progress().isEmpty, "a stopped engine is not stuck")
  }

  @Test("A copy counts as finished once it is told, and a mover that hangs there as at work") func hangingMover() {
    let isTold = Atomic<Bool>(false)
    let mayGoOn = Atomic<Bool>(false)
    let copier = Copier(name: "test", threads: 1, bytesPerSecond: nil) { _ in
      isTold.store(true, ordering: .sequentiallyConsistent)
      while !mayGoOn.load(ordering: .sequentiallyConsistent) { usleep(1000) }
    }
    let bytes = UnsafeMutableRawPointer.allocate(byteCount: 8192, alignment: 4096)
    defer { bytes.deallocate() }
    bytes.initializeMemory(as: UInt8.self, repeating: 1, count: 8192)
    copier.push(CopyJob(move: MoveID(1), from: .host(bytes), to: .host(bytes + 4096), bytes: 4096, isIngest: false))
    #expect(waitUntil { isTold.load(ordering: .sequentiallyConsistent) })
    #expect(copier.progress.unfinished == 1 && copier.progress.finished == 0)
    mayGoOn.store(true, ordering: .sequentiallyConsistent)
    #expect(waitUntil { copier.progress.unfinished == 0 })
    #expect(copier.progress.finished == 1)
    copier.stop()
  }
}
