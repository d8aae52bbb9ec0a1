import Crypto
public import TierCore

/// Ids of weight shards: equal where the bytes are, and of no KV block.
public enum ShardIdentity {
  private static let domain = Array("tierd weights v1\0".utf8)

  /// - Parameters:
  ///   - fingerprint: of the model the weights are of.
  ///   - packing: how they lie, in words: whoever packs differently has other shards.
  ///   - part: of a shard that is cut into several.
  public static func id(_ fingerprint: ModelFingerprint, packing: String, part: Int) -> BlockID {
    var input = domain + fingerprint.bytes
    input.append(littleEndian: UInt32(part))
    input += Array(packing.utf8)
    // A SHA-256 digest is 32 bytes.
    return BlockID(bytes: Array(SHA256.hash(data: input)))!
  }
}
