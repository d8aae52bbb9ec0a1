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

  /// Whether rows can be multiplied as they lie in the file.
  var isQuantized: Bool { tensor.type.kernelQuant != nil }

  /// The dot product of row `row` with `tensor.columns` numbers, the row not expanded. Traps where it is not quantised.
  func dot(_ row: Int, _ x: UnsafePointer<Float>) -> Float {
    tensor.withRow(row) { bytes in ck_dot_quantized(tensor.type.kernelQuant!, bytes.baseAddress, x, tensor.columns) }
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
    case .q80, .q40, .q41, .q4K, .q6K: ck_dequantize(tensor.type.kernelQuant!, source, target, count)
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

extension StorageType {
  /// nil: not quantised.
  var kernelQuant: ck_quant? {
    switch self {
    case .f32, .f16, .bf16: nil
    case .q80: CK_Q8_0
    case .q40: CK_Q4_0
    case .q41: CK_Q4_1
    case .q4K: CK_Q4_K
    case .q6K: CK_Q6_K
    }
  }
}
