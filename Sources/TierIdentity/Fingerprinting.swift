import Crypto
import Dispatch
import Synchronization

/// A tensor as the fingerprint sees it.
public protocol FingerprintedTensor: Sendable {
  var name: String { get }
  /// How its numbers are stored, e.g. `Q4_1`: anything that gives the same bytes another meaning belongs in it.
  var storage: String { get }
  /// Outermost dimension first; none is negative.
  var shape: [Int] { get }
  /// Lends the bytes as they lie in the file.
  func withContent(_ body: (UnsafeRawBufferPointer) -> Void)
}

extension ModelFingerprint {
  static let domain = Array("tierd model v1\0".utf8)

  /// SHA-256 over `configuration`, a canonical text, and every tensor in the order of its name's UTF-8: name, storage,
  /// shape, SHA-256 of its bytes. Reads every byte, on all cores.
  public init(configuration: String, tensors: [any FingerprintedTensor]) {
    let sorted = tensors.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    let contents = Self.contentDigests(sorted)
    var input = Self.domain
    input.append(lengthPrefixed: configuration)
    input.append(littleEndian: UInt32(sorted.count))
    for (tensor, content) in zip(sorted, contents) {
      input.append(lengthPrefixed: tensor.name)
      input.append(lengthPrefixed: tensor.storage)
      input.append(littleEndian: UInt32(tensor.shape.count))
      for dimension in tensor.shape { input.append(littleEndian: UInt64(dimension)) }
      input += content
    }
    bytes = Array(SHA256.hash(data: input))
  }

  /// One digest a tensor, in their order. Cores take the next tensor as they come free; the largest go first, so that
  /// none is left alone with one at the end.
  private static func contentDigests(_ tensors: [any FingerprintedTensor]) -> [[UInt8]] {
    let sizes = tensors.map { tensor in
      var count = 0
      tensor.withContent { count = $0.count }
      return count
    }
    let order = tensors.indices.sorted { sizes[$0] > sizes[$1] }
    let digests = Mutex([[UInt8]](repeating: [], count: tensors.count))
    DispatchQueue.concurrentPerform(iterations: order.count) { i in
      let index = order[i]
      var digest: [UInt8] = []
      tensors[index].withContent { bytes in
        var hash = SHA256()
        hash.update(bufferPointer: bytes)
        digest = Array(hash.finalize())
      }
      digests.withLock { $0[index] = digest }
    }
    return digests.withLock { $0 }
  }
}
