import Glibc

/// Memory for numbers, aligned for vector loads and zeroed. Freed with the last reference.
///
/// Kernels and threads share it by pointer: who may write which part when is the caller's to arrange.
final class AlignedBuffer: @unchecked Sendable {
  // Sendable: the address and the length never change.
  static let alignmentBytes = 64

  let bytes: UnsafeMutableRawBufferPointer

  var base: UnsafeMutableRawPointer { bytes.baseAddress! }
  var floats: UnsafeMutablePointer<Float> { base.assumingMemoryBound(to: Float.self) }

  init(byteCount: Int) {
    precondition(byteCount >= 0, "a buffer of \(byteCount) bytes")
    let rounded = max(byteCount, 1).roundedUp(toMultipleOf: Self.alignmentBytes)
    bytes = .allocate(byteCount: rounded, alignment: Self.alignmentBytes)
    memset(bytes.baseAddress!, 0, rounded)
  }

  convenience init(floats count: Int) {
    self.init(byteCount: count * MemoryLayout<Float>.stride)
  }

  deinit {
    bytes.deallocate()
  }
}

extension Int {
  /// The least multiple of `step` that is not less than this count. Both are positive and far from overflow.
  func roundedUp(toMultipleOf step: Int) -> Int { (self + step - 1) / step * step }

  /// How many runs of `size` cover this count.
  func dividedRoundingUp(by size: Int) -> Int { (self + size - 1) / size }
}
