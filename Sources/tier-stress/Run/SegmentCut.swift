import FoundationEssentials
import Glibc
import TierTesting

/// Cuts the tail off a segment file of a daemon that is down, as a disk that lost its last writes does: the blocks in it are
/// gone, and nothing else may be.
enum SegmentCut {
  /// Answers whether there was one to cut.
  static func cut(in directory: String, _ random: inout SeededRandom) throws(StressFault) -> Bool {
    guard let names = try? FileManager.default.contentsOfDirectory(atPath: directory) else {
      throw .io("cannot list \(directory)")
    }
    let segments = names.filter { $0.hasSuffix(".segment") }.sorted()
    guard let name = segments.randomElement(using: &random) else { return false }
    let path = directory + "/" + name
    var info = stat()
    guard stat(path, &info) == 0, info.st_size > 8192 else { return false }
    guard truncate(path, off_t(random.int(4096...Int(info.st_size)))) == 0 else {
      throw .io("cannot cut \(path): \(errorText(errno))")
    }
    return true
  }
}
