import Glibc

/// pread, pwrite and fdatasync on threads: what works everywhere.
package final class ThreadEngine: IOEngine {
  package let name = "threads"
  package init() {}
  package func makeLane() throws(SpillError) -> any IOLane { try ThreadLane() }
}

private final class ThreadLane: IOLane {
  private static let threads = 2
  private static let leastBytes = 256 << 10
  private var memory: AlignedBuffer
  private let work = ThreadWork()
  private(set) var inFlight = 0

  init() throws(SpillError) {
    memory = try AlignedBuffer.make(bytes: Self.leastBytes)
    for _ in 0..<Self.threads where !work.startThread() {
      work.close()
      throw .io(operation: "creation", file: "I/O thread", errno: EAGAIN)
    }
  }

  deinit { work.close() }

  var buffer: UnsafeMutableRawBufferPointer { memory.bytes }

  func reserve(_ bytes: Int) throws(SpillError) {
    precondition(inFlight == 0, "a buffer in use does not move")
    guard bytes > memory.bytes.count else { return }
    memory = try AlignedBuffer.make(bytes: bytes.roundedUp(to: Self.leastBytes))
  }

  func submit(_ kind: IOKind, _ file: any SpillFile, at offset: Int, _ range: Range<Int>, tag: Int) {
    precondition(inFlight < IOLimits.depth, "a lane's depth is bounded")
    inFlight += 1
    work.push(ThreadJob(kind: kind, file: file, offset: offset, bytes: bytes(range), memory: memory, tag: tag))
  }

  func next(untilNs: UInt64) -> IOCompletion? {
    guard let ended = work.pop(untilNs: untilNs) else { return nil }
    inFlight -= 1
    return ended
  }
}

/// Holds what it uses: the file's descriptor and the buffer outlive it whatever becomes of the lane.
private struct ThreadJob {
  let kind: IOKind
  let file: any SpillFile
  let offset: Int
  let bytes: UnsafeMutableRawBufferPointer
  let memory: AlignedBuffer
  let tag: Int

  /// Bytes moved, or a negative errno.
  func run() -> Int {
    guard let descriptor = file.beginUse() else { return -Int(EBADF) }
    defer { file.endUse() }
    var done = 0
    repeat {
      let n =
        switch kind {
        case .read: pread(descriptor, bytes.baseAddress! + done, bytes.count - done, offset + done)
        case .write: pwrite(descriptor, bytes.baseAddress! + done, bytes.count - done, offset + done)
        case .sync: Int(fdatasync(descriptor))
        }
      if n < 0 && errno == EINTR { continue }
      if n < 0 { return -Int(errno) }
      done += n
      // The end of the file, or of the space; an unaligned rest could not be asked for directly anyway.
      if n == 0 || done % RecordHeader.leastAlignBytes != 0 { break }
    } while done < bytes.count
    return done
  }
}

/// Jobs to the lane's threads, completions back.
private final class ThreadWork: @unchecked Sendable {
  private let condition = Condition()
  private var jobs: [ThreadJob] = []
  private var ended: [IOCompletion] = []
  private var isClosed = false

  func startThread() -> Bool {
    var thread = pthread_t()
    let context = Unmanaged.passRetained(self)
    let code = pthread_create(
      &thread, nil,
      { context in
        Unmanaged<ThreadWork>.fromOpaque(context!).takeRetainedValue().serve()
        return nil
      }, context.toOpaque())
    if code == 0 { pthread_detach(thread) } else { context.release() }
    return code == 0
  }

  private func serve() {
    condition.lock()
    while true {
      guard let job = jobs.first else {
        if isClosed { break }
        _ = condition.wait(timeoutMs: 60_000) { !jobs.isEmpty || isClosed }
        continue
      }
      jobs.removeFirst()
      condition.unlock()
      let result = job.run()
      condition.lock()
      ended.append(IOCompletion(tag: job.tag, result: result))
      condition.broadcast()
    }
    condition.unlock()
  }

  func push(_ job: ThreadJob) {
    condition.lock()
    jobs.append(job)
    condition.broadcast()
    condition.unlock()
  }

  func pop(untilNs: UInt64) -> IOCompletion? {
    condition.lock()
    defer { condition.unlock() }
    let now = MonotonicClock.nowNs()
    let waitNs = untilNs > now ? untilNs - now : 0
    guard condition.wait(timeoutNs: waitNs, until: { !ended.isEmpty }) else { return nil }
    return ended.removeFirst()
  }

  func close() {
    condition.lock()
    isClosed = true
    condition.broadcast()
    condition.unlock()
  }
}
