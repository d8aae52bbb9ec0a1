public import ModelFiles
public import TierIdentity

extension Checkpoint {
  /// The model's fingerprint: remembered from an earlier start by `cache`, else computed from every byte of the weights.
  public func fingerprint(cache: FingerprintCache?) -> ModelFingerprint {
    func compute() -> ModelFingerprint {
      let tensors = weights.names.compactMap { weights.find($0) }.map(HashedTensor.init)
      return ModelFingerprint(configuration: config.canonicalText, tensors: tensors)
    }
    guard let cache else { return compute() }
    let stamps = weightFiles.map {
      FileStamp(
        device: $0.device, inode: $0.inode, sizeBytes: $0.sizeBytes, modifiedNanoseconds: $0.modifiedNanoseconds)
    }
    return cache.fingerprint(configuration: config.canonicalText, files: stamps, compute: compute)
  }
}

private struct HashedTensor: FingerprintedTensor {
  let view: TensorView

  var name: String { view.name }
  var shape: [Int] { view.shape }
  /// The order of rows is part of what the bytes mean.
  var storage: String {
    switch view.rowOrder {
    case .canonical: view.type.rawValue
    case .interleaved(let headDim): "\(view.type.rawValue) interleaved:\(headDim)"
    case .columns(let count, let first): "\(view.type.rawValue) columns:\(first)/\(count)"
    }
  }

  func withContent(_ body: (UnsafeRawBufferPointer) -> Void) { view.withBytes(body) }
}
