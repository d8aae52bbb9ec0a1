import CKernels
public import TierCore

/// What weights, activations and the cache are held in. Sums, softmax and the residual stream are f32 in both.
public enum ComputeType: String, Sendable, Hashable, CaseIterable {
  case f32
  case bf16

  /// The element of a KV block.
  public var element: ElementType {
    switch self {
    case .f32: .f32
    case .bf16: .bf16
    }
  }

  public var sizeBytes: Int { element.sizeBytes }

  var kernelType: ck_dtype {
    switch self {
    case .f32: CK_F32
    case .bf16: CK_BF16
    }
  }

  /// Rounds `count` numbers to nearest even into this type.
  func convert(_ source: UnsafePointer<Float>, to target: UnsafeMutableRawPointer, count: Int) {
    switch self {
    case .f32: target.copyMemory(from: source, byteCount: count * MemoryLayout<Float>.stride)
    case .bf16: ck_f32_to_bf16(source, target.assumingMemoryBound(to: UInt16.self), count)
    }
  }

  /// `count` numbers of this type as f32.
  func widen(_ source: UnsafeRawPointer, to target: UnsafeMutablePointer<Float>, count: Int) {
    switch self {
    case .f32:
      UnsafeMutableRawPointer(target).copyMemory(from: source, byteCount: count * MemoryLayout<Float>.stride)
    case .bf16: ck_bf16_to_f32(source.assumingMemoryBound(to: UInt16.self), target, count)
    }
  }
}
