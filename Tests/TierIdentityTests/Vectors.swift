import Foundation
import Testing
import TierIdentity

/// Computed independently, by Fixtures/make_identity_vectors.py.
struct Vectors: Decodable {
  struct Block: Decodable {
    let fingerprint: String
    let element: UInt8
    let blockTokens: Int
    let kvHeads: Int
    let headDim: Int
    let tokenCount: Int
    let ids: [String]

    var tokens: [UInt32] { (0..<tokenCount).map { UInt32(truncatingIfNeeded: $0 &* 2_654_435_761 &+ 12345) } }
  }

  struct Tensor: Decodable, FingerprintedTensor {
    let name: String
    let storage: String
    let shape: [Int]
    let content: [UInt8]

    func withContent(_ body: (UnsafeRawBufferPointer) -> Void) { content.withUnsafeBytes(body) }
  }

  struct Model: Decodable {
    let configuration: String
    let tensors: [Tensor]
    let fingerprint: String
  }

  let blocks: [Block]
  let models: [Model]

  static func read() throws -> Vectors {
    let url = try #require(Bundle.module.url(forResource: "identity", withExtension: "json", subdirectory: "Fixtures"))
    return try JSONDecoder().decode(Vectors.self, from: Data(contentsOf: url))
  }
}
