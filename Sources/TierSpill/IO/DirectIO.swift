import CLinux
import Glibc

/// What direct I/O asks for in a directory.
package struct DirectIO {
  /// Offsets, lengths and addresses are multiples of this.
  package let alignBytes: Int
  /// The file system's block.
  package let blockBytes: Int

  private static let probeName = "probe.segment.new"
  private static let pageBytes = 4096

  /// Nil where the page cache cannot be bypassed. The kernel says what a file needs; where it does not, a page is taken:
  /// some file systems accept less at times and go through the page cache then, so that trying tells nothing. What is
  /// said or taken is tried all the same.
  static func probe(_ directory: Int32) -> DirectIO? {
    unlinkat(directory, probeName, 0)
    let fd = tier_file_open(directory, probeName, true, true)
    guard fd >= 0 else { return nil }
    defer {
      Glibc.close(fd)
      unlinkat(directory, probeName, 0)
    }
    var (offset, memory) = (UInt32(0), UInt32(0))
    let said = tier_direct_align(fd, &offset, &memory) == 0
    guard let align = unit(said ? (Int(offset), Int(memory)) : nil), works(fd, align) else { return nil }
    var status = stat()
    let block = fstat(fd, &status) == 0 ? Int(status.st_blksize) : 0
    return DirectIO(alignBytes: align, blockBytes: isUnit(block) ? max(block, align) : align)
  }

  /// The unit for what the kernel says of offsets and of addresses; nil where that rules direct I/O out.
  package static func unit(_ said: (offset: Int, memory: Int)?) -> Int? {
    guard let said else { return pageBytes }
    guard said.offset > 0 else { return nil }
    let wanted = max(said.offset, said.memory, RecordHeader.leastAlignBytes)
    return isUnit(wanted) ? wanted : nil
  }

  private static func isUnit(_ bytes: Int) -> Bool {
    bytes >= RecordHeader.leastAlignBytes && bytes <= RecordHeader.mostAlignBytes && bytes & (bytes - 1) == 0
  }

  private static func works(_ fd: Int32, _ unit: Int) -> Bool {
    guard let buffer = AlignedBuffer(bytes: 2 * unit) else { return false }
    defer { withExtendedLifetime(buffer) {} }
    buffer.bytes.initializeMemory(as: UInt8.self, repeating: 0)
    // Address and offset both at the unit's odd multiple: what a record in mid-buffer looks like.
    let address = buffer.bytes.baseAddress! + unit
    return pwrite(fd, address, unit, unit) == unit && pread(fd, address, unit, unit) == unit
  }
}
