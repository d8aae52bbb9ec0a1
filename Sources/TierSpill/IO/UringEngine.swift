import CURing
import Glibc

/// io_uring: a ring and a registered buffer for each lane.
package final class UringEngine: IOEngine {
  package let name = "io_uring"

  /// Nil where the kernel has no io_uring for us: too old, or forbidden (containers, `kernel.io_uring_disabled`).
  package init?() {
    var error: Int32 = 0
    guard let ring = tier_ring_open(4, &error) else { return nil }
    tier_ring_close(ring)
  }

  package func makeLane() throws(SpillError) -> any IOLane { try UringLane() }
}

private final class UringLane: IOLane {
  private let ring: OpaquePointer
  private var memory: AlignedBuffer
  /// The files of what is in flight, so that their descriptors stay open.
  private var files: [Int: any SpillFile] = [:]
  private var ended: [IOCompletion] = []

  private static let leastBytes = 256 << 10

  init() throws(SpillError) {
    var error: Int32 = 0
    let memory = try AlignedBuffer.make(bytes: Self.leastBytes)
    guard let ring = tier_ring_open(UInt32(IOLimits.depth), &error) else {
      throw .io(operation: "creation", file: "io_uring", errno: -error)
    }
    self.ring = ring
    self.memory = memory
    _ = tier_ring_register(ring, memory.bytes.baseAddress, memory.bytes.count)
  }

  // What is in flight writes to the buffer: a lane with operations in flight is never let go (`LanePool`).
  deinit { tier_ring_close(ring) }

  var buffer: UnsafeMutableRawBufferPointer { memory.bytes }
  var inFlight: Int { files.count + ended.count }

  func reserve(_ bytes: Int) throws(SpillError) {
    precondition(inFlight == 0, "a buffer in use does not move")
    guard bytes > memory.bytes.count else { return }
    let larger = try AlignedBuffer.make(bytes: bytes.roundedUp(to: Self.leastBytes))
    // Unregistered or not, operations are the same to us; registered ones spare the kernel pinning pages each time.
    _ = tier_ring_register(ring, larger.bytes.baseAddress, larger.bytes.count)
    memory = larger
  }

  func submit(_ kind: IOKind, _ file: any SpillFile, at offset: Int, _ range: Range<Int>, tag: Int) {
    precondition(files[tag] == nil && inFlight < IOLimits.depth, "a lane's depth is bounded")
    guard let fd = file.beginUse() else { return ended.append(IOCompletion(tag: tag, result: -Int(EBADF))) }
    let code = tier_ring_submit(
      ring, kind.rawValue, fd, memory.bytes.baseAddress! + range.lowerBound, UInt32(range.count),
      UInt64(offset), UInt64(tag))
    guard code < 0 else {
      files[tag] = file
      return
    }
    file.endUse()
    ended.append(IOCompletion(tag: tag, result: Int(code)))
  }

  func next(untilNs: UInt64) -> IOCompletion? {
    if let first = ended.popLast() { return first }
    while !files.isEmpty {
      let now = MonotonicClock.nowNs()
      var tag: UInt64 = 0
      var result: Int32 = 0
      let code = tier_ring_wait(ring, untilNs > now ? untilNs - now : 0, &tag, &result)
      if code == 1 {
        files.removeValue(forKey: Int(tag))?.endUse()
        return IOCompletion(tag: Int(tag), result: Int(result))
      }
      if code < 0 || MonotonicClock.nowNs() >= untilNs { return nil }
    }
    return nil
  }
}
