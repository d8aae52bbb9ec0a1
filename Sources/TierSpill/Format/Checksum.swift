import CSpillCodec

/// XXH3-64 (seed 0), the checksum of everything: headers, stored bytes, original bytes.
public enum Checksum {
  public static func of(_ bytes: UnsafeRawBufferPointer) -> UInt64 { tier_checksum(bytes.baseAddress, bytes.count) }
}
