import Glibc

/// Page-aligned memory for I/O, freed when the last reference goes.
package final class AlignedBuffer: @unchecked Sendable {
  /// Valid as long as the buffer is referenced: a local one is used through `withBytes`, which sees to that.
  // Written by whoever holds the buffer; one holder at a time.
  package let bytes: UnsafeMutableRawBufferPointer

  /// Nil where the memory cannot be had.
  package init?(bytes count: Int) {
    var memory: UnsafeMutableRawPointer?
    guard posix_memalign(&memory, 4096, max(count, 4096)) == 0, let memory else { return nil }
    self.bytes = UnsafeMutableRawBufferPointer(start: memory, count: count)
  }

  deinit { free(bytes.baseAddress) }

  package static func make(bytes: Int) throws(SpillError) -> AlignedBuffer {
    guard let buffer = AlignedBuffer(bytes: bytes) else {
      throw .io(operation: "allocation", file: "I/O buffer", errno: ENOMEM)
    }
    return buffer
  }
}
