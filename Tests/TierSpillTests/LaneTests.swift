import Glibc
import Testing
import TierSpill
import TierTesting

/// What every I/O engine does: the same suite for each.
struct LaneTests {
  enum Engine: CaseIterable {
    case uring, threads

    /// Nil where the kernel has none.
    func make() -> (any IOEngine)? {
      switch self {
      case .uring: UringEngine()
      case .threads: ThreadEngine()
      }
    }
  }

  private func withFile(_ engine: Engine, _ body: (any IOLane, any SpillFile) throws -> Void) throws {
    guard let made = engine.make() else { return }
    try withTemporaryDirectory { directory in
      let disk = try PosixDisk(path: directory, options: SpillOptions())
      defer { disk.close() }
      let file = try disk.create("file", bytes: 1 << 20)
      defer { file.close() }
      let lane = try made.makeLane()
      try lane.reserve(1 << 20)
      try body(lane, file)
    }
  }

  @Test(arguments: Engine.allCases)
  func manyOperationsEndOnceEachAndInAnyOrder(engine: Engine) throws {
    try withFile(engine) { lane, file in
      let piece = 64 << 10
      for i in 0..<IOLimits.depth {
        lane.bytes(i * piece..<(i + 1) * piece).initializeMemory(as: UInt8.self, repeating: UInt8(i + 1))
        lane.submit(.write, file, at: (IOLimits.depth - 1 - i) * piece, i * piece..<(i + 1) * piece, tag: i)
      }
      #expect(lane.inFlight == IOLimits.depth)
      var tags: Set<Int> = []
      for _ in 0..<IOLimits.depth {
        let ended = try #require(lane.next(untilNs: .max))
        #expect(ended.result == piece)
        tags.insert(ended.tag)
      }
      #expect(tags.count == IOLimits.depth && lane.inFlight == 0)
      try lane.sync(file, deadlineMs: 5000)
      let got = try lane.read(0..<1 << 20, of: file, at: 0, deadlineMs: 5000)
      #expect(got == 1 << 20)
      for i in 0..<IOLimits.depth {
        #expect(lane.bytes(i * piece..<(i + 1) * piece).allSatisfy { $0 == UInt8(IOLimits.depth - i) })
      }
    }
  }

  @Test(arguments: Engine.allCases)
  func readsEndAtTheFilesEndAndErrorsAreReported(engine: Engine) throws {
    try withFile(engine) { lane, file in
      let last = try lane.read(0..<8192, of: file, at: (1 << 20) - 4096, deadlineMs: 5000)
      let beyond = try lane.read(0..<8192, of: file, at: 2 << 20, deadlineMs: 5000)
      #expect(last == 4096 && beyond == 0)
      // Unaligned where the page cache is bypassed.
      #expect(throws: SpillError.self) { try lane.perform(.read, file, at: 1, 0..<512, deadlineMs: 5000) }
      file.close()
      #expect(throws: SpillError.io(operation: "reading", file: "file", errno: EBADF)) {
        try lane.read(0..<4096, of: file, at: 0, deadlineMs: 5000)
      }
    }
  }

  /// A read from a pipe that nobody writes to is a disk that hangs: the caller is let go, the lane is not used again until
  /// the kernel is done with its buffer, and then it is.
  @Test(arguments: Engine.allCases)
  func aHungOperationIsGivenUpAndItsBufferKept(engine: Engine) throws {
    guard let made = engine.make() else { return }
    let pool = LanePool(engine: made, limit: 1, waitMs: 50)
    let hung = HungFile()
    #expect(throws: SpillError.timedOut(operation: "reading", file: "pipe", afterMs: 30)) {
      try pool.withLane(bytes: 4096) { lane throws(SpillError) in
        _ = try lane.read(0..<4096, of: hung, at: 0, deadlineMs: 30)
      }
    }
    #expect(pool.stuckOperations == 1)
    // The one lane there is still belongs to the kernel.
    #expect(throws: SpillError.busy(waitedMs: 50)) { try pool.withLane(bytes: 4096) { _ throws(SpillError) in } }
    hung.answer()
    var waited = 0
    while pool.stuckOperations > 0, waited < 5000 {
      usleep(1000)
      pool.recycle()
      waited += 1
    }
    #expect(pool.stuckOperations == 0)
    let inFlight = try pool.withLane(bytes: 4096) { lane throws(SpillError) in lane.inFlight }
    #expect(inFlight == 0)
  }
}

/// A file whose reads hang until it is told to answer.
private final class HungFile: SpillFile, @unchecked Sendable {
  let name = "pipe"
  private var ends: [Int32] = [0, 0]

  init() { pipe(&ends) }
  deinit { for end in ends { Glibc.close(end) } }

  func answer() {
    var bytes = [UInt8](repeating: 7, count: 4096)
    _ = write(ends[1], &bytes, bytes.count)
  }
  func beginUse() -> Int32? { ends[0] }
  func endUse() {}
  func status() throws(SpillError) -> FileStatus { FileStatus(bytes: 0, isLinked: true) }
  func truncate(to bytes: Int) throws(SpillError) {}
  func close() {}
}
