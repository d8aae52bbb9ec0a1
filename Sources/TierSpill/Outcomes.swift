public import TierCore

/// A sealed block on its way to disk. `bytes` must stay valid and unchanged until `write` returns.
public struct BlockWrite {
  public let key: BlockKey
  public let layout: BlockLayout
  /// XXH3-64 of the original bytes, as taken at seal.
  public let checksum: UInt64
  /// Exactly `layout.payloadBytes`.
  public let bytes: UnsafeRawBufferPointer

  public init(key: BlockKey, layout: BlockLayout, checksum: UInt64, bytes: UnsafeRawBufferPointer) {
    self.key = key
    self.layout = layout
    self.checksum = checksum
    self.bytes = bytes
  }
}

/// What became of one block of a batch.
public enum WriteOutcome: Sendable, Hashable {
  /// Data and record are on disk for good, in `storedBytes` of file: header and padding included.
  case durable(storedBytes: Int)
  /// No space under the cap. Forget blocks, then write again.
  case full
  case failed(SpillError)
}

/// What became of a read.
public enum ReadOutcome: Sendable, Hashable {
  /// The destination holds the block; identity and both checksums were verified. `checksum` is the original's.
  case ok(checksum: UInt64)
  /// Not on disk (or on disk in another layout). The destination is untouched.
  case missing
  /// The record is damaged, and has been forgotten. The destination's contents are undefined.
  case corrupt(String)
  /// The disk did not answer. The destination's contents are undefined.
  case failed(SpillError)
}

/// A block on disk.
public struct StoredBlock: Sendable, Hashable {
  public let key: BlockKey
  public let layout: BlockLayout
  public let checksum: UInt64
  /// Bytes of file its record takes, header and padding included.
  public let storedBytes: Int

  public var originalBytes: Int { layout.payloadBytes }
}
