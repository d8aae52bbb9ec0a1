import CKernels
import ModelFiles

/// Rows of a tensor as f32, whatever the file holds.
struct WeightRows: Sendable {
  let tensor: TensorView

  /// Writes the `tensor.columns` numbers of canonical row `row`. Traps outside the tensor.
  func read(_ row: Int, into target: UnsafeMutablePointer<Float>) {
    tensor.withRow(row) { bytes in
      guard let source = bytes.baseAddress else { return }
      convert(source, into: target, count: tensor.columns)
    }
  }

  /// A tensor of one dimension, whole.
  func vector() -> AlignedBuffer {
    let buffer = AlignedBuffer(floats: tensor.elements)
    for row in 0..<tensor.rows { read(row, into: buffer.floats + row * tensor.columns) }
    return buffer
  }

  private func convert(_ source: UnsafeRawPointer, into target: UnsafeMutablePointer<Float>, count: Int) {
    switch tensor.type {
    case .f32:
      UnsafeMutableRawPointer(target).copyMemory(from: source, byteCount: count * MemoryLayout<Float>.stride)
    case .f16: withAligned(source, count) { ck_f16_to_f32($0, target, count) }
    case .bf16: withAligned(source, count) { ck_bf16_to_f32($0, target, count) }
    case .q80: ck_dequantize(CK_Q8_0, source, target, count)
    case .q40: ck_dequantize(CK_Q4_0, source, target, count)
    case .q41: ck_dequantize(CK_Q4_1, source, target, count)
    case .q4K: ck_dequantize(CK_Q4_K, source, target, count)
    case .q6K: ck_dequantize(CK_Q6_K, source, target, count)
    }
  }

  /// Files promise no alignment, C's 16-bit pointers do.
  private func withAligned(_ source: UnsafeRawPointer, _ count: Int, _ body: (UnsafePointer<UInt16>) -> Void) {
    if UInt(bitPattern: source) % 2 == 0 { return body(source.assumingMemoryBound(to: UInt16.self)) }
    withUnsafeTemporaryAllocation(of: UInt16.self, capacity: count) { aligned in
      UnsafeMutableRawBufferPointer(aligned).copyMemory(from: UnsafeRawBufferPointer(start: source, count: count * 2))
      body(UnsafePointer(aligned.baseAddress!))
    }
  }
}
