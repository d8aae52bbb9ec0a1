import Glibc

/// Page-aligned memory for I/O, freed when the last reference goes.
package final class AlignedBuffer: @unchecked Sendable {
  /// Valid as long as the buffer is referenced: a local one is used through `withBytes`, which sees to that.
  // Written by whoever holds the buffer; the pool hands it to one holder at a time.
  package let bytes: UnsafeMutableRawBufferPointer

  /// Nil where the memory cannot be had.
  package init?(bytes count: Int) {
    var memory: UnsafeMutableRawPointer?
    guard posix_memalign(&memory, 4096, count) == 0, let memory else { return nil }
    self.bytes = UnsafeMutableRawBufferPointer(start: memory, count: count)
  }

  deinit { free(bytes.baseAddress) }

  func withBytes<Result>(
    _ body: (UnsafeMutableRawBufferPointer) throws(SpillError) -> Result
  ) throws(SpillError) -> Result {
    defer { withExtendedLifetime(self) {} }
    return try body(bytes)
  }
}

/// I/O buffers under one bound, lent to one holder at a time. Sizes are rounded up to powers of two so that they are
/// used again. A holder never asks for a second buffer, so waiting ends when others finish; it is bounded all the same.
package final class BufferPool: @unchecked Sendable {
  private let limitBytes: Int
  private let waitMs: Int
  private let condition = Condition()
  // Guarded by `condition`.
  private var lentBytes = 0
  private var idleBytes = 0
  private var idle: [Int: [AlignedBuffer]] = [:]

  private static let leastBytes = 64 << 10

  package init(limitBytes: Int, waitMs: Int) {
    self.limitBytes = limitBytes
    self.waitMs = waitMs
  }

  /// Runs `body` with a buffer of at least `bytes`, whatever it held before. One that exceeds the whole bound is granted
  /// when no other is lent.
  package func withBuffer<Result>(
    bytes: Int, _ body: (UnsafeMutableRawBufferPointer) throws(SpillError) -> Result
  ) throws(SpillError) -> Result {
    let buffer = try take(Self.roundedSize(bytes))
    defer { giveBack(buffer) }
    return try body(buffer.bytes)
  }

  private static func roundedSize(_ bytes: Int) -> Int {
    var size = leastBytes
    while size < bytes { size <<= 1 }
    return size
  }

  private func take(_ size: Int) throws(SpillError) -> AlignedBuffer {
    condition.lock()
    defer { condition.unlock() }
    let granted = condition.wait(timeoutMs: waitMs) { lentBytes == 0 || lentBytes + size <= limitBytes }
    guard granted else { throw .busy(waitedMs: waitMs) }
    if let buffer = idle[size]?.popLast() {
      idleBytes -= size
      lentBytes += size
      return buffer
    }
    if lentBytes + idleBytes + size > limitBytes {
      idle = [:]
      idleBytes = 0
    }
    guard let buffer = AlignedBuffer(bytes: size) else {
      throw .io(operation: "allocation", file: "I/O buffer", errno: ENOMEM)
    }
    lentBytes += size
    return buffer
  }

  private func giveBack(_ buffer: AlignedBuffer) {
    condition.lock()
    defer { condition.unlock() }
    let size = buffer.bytes.count
    lentBytes -= size
    if lentBytes + idleBytes + size <= limitBytes {
      idle[size, default: []].append(buffer)
      idleBytes += size
    }
    condition.broadcast()
  }
}
