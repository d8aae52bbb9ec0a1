/// Where the spill's bytes live: one flat directory of files that nobody else writes to. The seam under everything
/// else: the real one is `PosixDisk`, the tests have one that tears, drops, reorders and misdirects writes.
package protocol SpillDisk: AnyObject, Sendable {
  /// Names the directory in messages.
  var name: String { get }
  /// Offsets, lengths and addresses of reads and writes are multiples of this, a power of two.
  var alignBytes: Int { get }
  /// Whether the page cache is bypassed.
  var isDirect: Bool { get }

  /// The regular files of the directory and everything else in it, with sizes, in no order.
  func list() throws(SpillError) -> [DiskEntry]
  /// A new file of `bytes`, allocated ahead and reading as zeros. Fails where the name is taken.
  func create(_ file: String, bytes: Int) throws(SpillError) -> any SpillFile
  /// `alignBytes` is what its reads and writes will be multiples of: where that is less than the disk's own, the file
  /// is opened through the page cache.
  func open(_ file: String, alignBytes: Int) throws(SpillError) -> any SpillFile
  /// Atomic; durable after `syncDirectory`, like `create` and `remove`.
  func rename(_ file: String, to other: String) throws(SpillError)
  func remove(_ file: String) throws(SpillError)
  func syncDirectory() throws(SpillError)
  /// Lets the directory go, its lock included. Open files stay usable.
  func close()
}

/// One entry of the directory.
package struct DiskEntry: Sendable, Hashable {
  package let name: String
  package let bytes: Int
  package let isRegular: Bool

  package init(name: String, bytes: Int, isRegular: Bool) {
    self.name = name
    self.bytes = bytes
    self.isRegular = isRegular
  }
}

/// An open file. Reads and writes may be issued from any thread.
package protocol SpillFile: AnyObject, Sendable {
  var name: String { get }
  func bytes() throws(SpillError) -> Int
  /// All of `source`, or an error. Durable after the next `syncData` that succeeds.
  func write(_ source: UnsafeRawBufferPointer, at offset: Int) throws(SpillError)
  /// As much of `destination` as the file has from `offset`; less only at the file's end.
  func read(into destination: UnsafeMutableRawBufferPointer, at offset: Int) throws(SpillError) -> Int
  func truncate(to bytes: Int) throws(SpillError)
  /// Data, and the metadata needed to read it back, are on disk. After a failure nothing is known of what was written
  /// since the last success, and asking again would lie.
  func syncData() throws(SpillError)
  func close()
}
