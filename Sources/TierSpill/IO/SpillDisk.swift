/// Where the spill's bytes live: one flat directory of files that nobody else writes to. The seam under everything
/// else: the real one is `PosixDisk`, the tests have one that tears, drops, reorders and misdirects writes.
package protocol SpillDisk: AnyObject, Sendable {
  /// Names the directory in messages.
  var name: String { get }
  /// Offsets, lengths and addresses of reads and writes are multiples of this, a power of two.
  var alignBytes: Int { get }
  /// What a write had better be a multiple of, offset and length: the file system's block, a power of two from
  /// `alignBytes` up. A direct write that ends inside a block goes alone, after all others on the file.
  var blockBytes: Int { get }
  /// Whether the page cache is bypassed.
  var isDirect: Bool { get }
  /// What moves the bytes of its files.
  var engine: any IOEngine { get }

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
  func state() -> DirectoryState
  /// Makes the directory that has the name now the one in use.
  func reattach() throws(SpillError)
  /// Crashes of processes in a segment's recovery, by the segment.
  func recoveryDeaths() -> [UInt64: Int]
  /// Forgets them, those of the given segments aside.
  func keepRecoveryDeaths(of segments: Set<UInt64>)
  /// Runs what recovers a segment.
  func recover<Result>(_ segment: UInt64, _ body: () throws(SpillError) -> Result) throws(SpillError) -> Result
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

/// An open file. Bytes are moved by the disk's I/O engine (`IOLane`).
package protocol SpillFile: AnyObject, Sendable {
  var name: String { get }
  /// For the engines of real disks: the descriptor, which stays open until `endUse`; nil once closed.
  func beginUse() -> Int32?
  func endUse()
  func status() throws(SpillError) -> FileStatus
  func truncate(to bytes: Int) throws(SpillError)
  /// What is in flight on it ends first.
  func close()
}

package struct FileStatus: Sendable, Hashable {
  package let bytes: Int
  /// Whether it has a name still: what is in a file without one is gone with its last descriptor.
  package let isLinked: Bool

  package init(bytes: Int, isLinked: Bool) {
    self.bytes = bytes
    self.isLinked = isLinked
  }
}

/// Whether the directory is the one that was opened.
package enum DirectoryState: Sendable, Hashable {
  case present
  /// It has no name any more.
  case vanished
  /// Another directory has its name now.
  case replaced
}
